// The openai package for Node against a server: node node_client.mjs BASE_URL. Prints what it got as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const question = {
  model: "default",
  messages: [{ role: "user", content: "golden" }],
  max_tokens: 8,
  temperature: 0,
};

const answer = await client.chat.completions.create(question);

const chunks = await client.chat.completions.create({
  ...question,
  stream: true,
  stream_options: { include_usage: true },
});
let streamed = "";
let usage = null;
for await (const chunk of chunks) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

let refused = null;
try {
  await client.chat.completions.create({ ...question, temperature: -1 });
} catch (error) {
  refused = { name: error.constructor.name, status: error.status, param: error.param };
}

const response = await client.responses.create({ model: "default", input: "golden", max_output_tokens: 8, temperature: 0 });
const models = [];
for await (const model of client.models.list()) models.push(model.id);

console.log(
  JSON.stringify({
    whole: answer.choices[0].message.content,
    finish: answer.choices[0].finish_reason,
    streamed,
    tokens: usage.completion_tokens,
    refused,
    response: response.output_text,
    models,
  }),
);
