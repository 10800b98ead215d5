"""What a renderer may read."""

import subprocess
import sys
from pathlib import Path

READ = """
import sys
from pathlib import Path
import weasyprint
from tuneloop_reports.render.guard import shut_the_doors
sys.prefix = sys.argv[1]
shut_the_doors()
Path(weasyprint.__file__).read_bytes()
try:
    Path("/etc/passwd").read_bytes()
except PermissionError:
    print("refused")
"""


def test_an_environment_behind_a_link_is_read_and_the_machine_is_not(tmp_path: Path) -> None:
    link = tmp_path / "venv"
    link.symlink_to(Path(sys.prefix).resolve())
    done = subprocess.run([sys.executable, "-c", READ, str(link)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
