"""Changes of what the console itself keeps: sessions and drafts. Nothing of the alliance is stored here."""
