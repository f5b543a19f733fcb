"""Our final statuses in the export's words."""

import pytest

from deploy.demo.check import Standing
from deploy.demo.report import status_of


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing("closed", by="system"), "Ditutup oleh Sistem"),
        (Standing("closed", by="reporter"), "Ditutup oleh Pelapor"),
        (Standing("closed", by="admin"), "Ditutup oleh Admin"),
        (Standing("archived", by="admin"), "Diarsipkan oleh Admin"),
        (Standing("archived", by="system"), "Diarsipkan oleh Sistem"),
        (Standing("withdrawn"), "Diarsipkan oleh Pelapor"),
        (Standing("blocked"), "Konten Terblokir"),
        (Standing("waiting", "unit 3204-001"), "open: waits for unit 3204-001"),
        (None, "not received"),
    ],
)
def test_a_standing_is_a_status_of_the_export(standing: Standing | None, status: str) -> None:
    """The table compares like with like."""
    assert status_of(standing) == status
