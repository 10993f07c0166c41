"""Clips: their record, the name grammars, audio reading, the synthesiser, the downloader."""
