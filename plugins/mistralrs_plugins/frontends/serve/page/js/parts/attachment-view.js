/** An image or a sound, small. */

import { attachmentUrl } from "../attachments.js";
import { html, useEffect, useState } from "../lib.js";

/** @param {{attachment: import("../attachments.js").Attachment}} properties */
export function AttachmentView({ attachment }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    const made = attachmentUrl(attachment);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [attachment]);
  if (!address) return null;
  if (attachment.kind === "image") return html`<img class="attached" src=${address} alt=${attachment.name} />`;
  return html`<audio controls src=${address} aria-label=${attachment.name} />`;
}
