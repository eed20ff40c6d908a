/**
 * Images and sounds in messages, for models that take them.
 *
 * @typedef {object} Attachment
 * @property {"image"|"audio"} kind
 * @property {string} name
 * @property {string} type
 * @property {string} data Base64.
 */

export const KINDS = ["image", "audio"];
const FORMATS = { "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/flac": "flac" };
const MAX_BYTES = 20 * 2 ** 20;

/**
 * Read a file. Raises an Error for one that cannot be used.
 * @param {File} file
 * @param {string[]} modalities What the model takes.
 * @returns {Promise<Attachment>}
 */
export async function readAttachment(file, modalities) {
  const kind = file.type.split("/")[0];
  if (!KINDS.includes(kind) || !modalities.includes(kind)) throw new Error(`The model takes no ${file.type || "such file"}.`);
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than ${MAX_BYTES >> 20} MiB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return { kind, name: file.name, type: file.type, data: btoa(pieces.join("")) };
}

/**
 * An address under which this page alone can show it. The caller gives it back with URL.revokeObjectURL.
 * @param {Attachment} attachment
 */
export function attachmentUrl(attachment) {
  const bytes = Uint8Array.from(atob(attachment.data), (char) => char.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: attachment.type }));
}

/**
 * The content of a message, as requests have it.
 * @param {string} text
 * @param {Attachment[]} [attachments]
 */
export function contentOf(text, attachments) {
  if (!attachments?.length) return text;
  return [...attachments.map(part), { type: "text", text }];
}

/** @param {Attachment} attachment */
function part({ kind, type, data }) {
  if (kind === "image") return { type: "image_url", image_url: { url: `data:${type};base64,${data}` } };
  return { type: "input_audio", input_audio: { data, format: FORMATS[type] ?? type.split("/")[1] } };
}
