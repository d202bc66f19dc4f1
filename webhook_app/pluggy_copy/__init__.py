"""`/pluggy`: Pluggy's own reads, answered from the mirror in Pluggy's shapes, envelopes and errors."""
