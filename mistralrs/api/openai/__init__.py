"""What clients of OpenAI's interface send and get, without any transport: the server, batches and the SDK share it."""
