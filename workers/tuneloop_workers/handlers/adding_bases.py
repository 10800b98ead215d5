"""Add a base of the catalogue from the hub: downloaded, baked into weights for training, registered."""

from tuneloop.kit.figures import size
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.base_orders import suggestion
from tuneloop.registry.jobs import AddBase
from tuneloop.registry.service import list_bases
from tuneloop_workers.bases.registration import add_base, choose, look_up

MIB = 1 << 20


@handles(AddBase)
def add_ordered_base(context: JobContext, job: AddBase) -> None:
    wanted = suggestion(job.base)
    with context.reading() as session:
        if any(base.name == wanted.name for base in list_bases(session)):
            return

    def progress(come: int, of: int) -> None:
        stage = "downloading" if come < of else "making the weights for training"
        context.report(stage=f"{stage}, {size(of)}", step=come // MIB, steps=max(1, of // MIB))
        context.check()

    context.report(stage="asking the hub")
    repository, _ = look_up(context.settings, f"hub:{wanted.repository}")
    add_base(
        context.settings,
        name=wanted.name,
        source=choose(repository, wanted.quantisation).source,
        licence=wanted.licence,
        upstream_url=None,
        progress=progress,
    )
