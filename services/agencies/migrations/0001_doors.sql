-- The gateways add no columns to the shell's lanes and cases; keys stand in the schema `vault`.
COMMENT ON TABLE cases IS 'What a gateway of institutions remembers of a report (services/agencies)';
