-- Beside the shell's tables: how many messages of a report wait for delivery (`fire_at` says when
-- the delivery loop takes them; the messages themselves lie sealed in the case).
ALTER TABLE cases ADD COLUMN pending integer;
