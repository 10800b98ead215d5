from tests.cli.rows import add_compared_cycle, add_version
from tests.cli.test_train import model, work, training, DONE

def test_look(shell, world, database, storage):
    add_compared_cycle(database, world, add_version(database, storage, world, {"adapter.gguf": b"GGUF" * 5000, "manifest.json": b"{}"}), outcome="need_more_labels")
    print()
    for line in ["compare acme/support --items --categories", "cycle show acme/support", "cycle list acme/support", "client show acme", "model list", "model show acme/support", "version list acme/support", "version show acme/support@candidate", "base list", "dataset list acme/support", "dataset counts acme/support", "dataset snapshot list acme/support", "job list", "alert list acme/support", "monitor readings acme/support", "sample acme/support", "prediction list acme/support", "feedback list acme/support", "eval acme/support", "eval acme/support --answers", "key list", "key add robot", "member list", "audit list", "whoami", "rollback acme/support", "model change acme/support --policy overall_margin=7"]:
        r = shell.run(*line.split())
        print("$ tuneloop", line); print(r.output.replace("\x1b", "ESC"), end="")
