"""Verification decides whether a report goes on, and to whom; it runs twice.

The national stage (`verification.national`) reads reporters' messages (`lapor.intake.v1`) and the
commands of the national admin `00`, forwards, asks, archives, blocks, takes a withdrawal, and opens
every holding. The institution stage (`verification.institution`) reads those forwards and the
holders' commands: accept and classify, return, ask, archive, reclassify. Both also read returns,
closings, held dispatches and reporters' windows that ran out. Each emits its own stream,
`lapor.verification.<level>.v1`, answers every command once, and owns its own schema.
"""
