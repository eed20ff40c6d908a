"""The Responses interface: answers that are kept, gone on from, and made in the background."""
