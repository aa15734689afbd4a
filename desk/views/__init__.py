"""The desk's pages by what they are about: the queue, the lead, follow-ups."""
