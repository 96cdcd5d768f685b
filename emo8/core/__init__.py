"""Words that every part shares: the taxonomy, columns, settings, pictures, licences, errors."""
