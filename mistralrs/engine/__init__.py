"""The engine: requests in, tokens out. Follow one through request, scheduler, batch, runner, sampling and output."""
