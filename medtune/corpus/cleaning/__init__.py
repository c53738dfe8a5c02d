"""Raw markup and scraped text in, clean Markdown out; and which documents are worth keeping."""
