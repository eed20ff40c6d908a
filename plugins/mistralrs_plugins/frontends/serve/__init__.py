"""``mistralrs serve``: the model behind the HTTP interfaces of OpenAI and Anthropic."""
