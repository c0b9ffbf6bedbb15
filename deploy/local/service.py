"""The whole service on this machine: what `up` runs."""

from __future__ import annotations

import asyncio
from typing import Any

from deploy.errors import Fault
from deploy.local import ports
from deploy.local.flink.rest import FlinkRest
from deploy.local.job.our_jobs import OurJobs
from deploy.local.job.rules_status import forget_status
from deploy.local.layout import Layout
from deploy.local.parts import make_topics, parts_of
from deploy.local.plan import Plan, check_files, check_room, make_plan
from deploy.local.running import forget_ready, note_ready
from deploy.local.supervise import metrics as supervisor_metrics
from deploy.local.supervise import stops
from deploy.local.supervise.events import Listener
from deploy.local.supervise.home_lock import home_lock
from deploy.local.supervise.processes import Register
from deploy.local.supervise.supervisor import Supervisor
from deploy.settings import Settings


def run_service(settings: Settings, tell: Listener) -> None:
    """Run until SIGTERM or SIGINT; everything is checked before anything is started.

    Raises:
        WrongUse, Refused, Fault: one line that says what is wrong and what mends it.
    """
    stops.interrupt()
    try:
        check_files(settings)
        layout = Layout(settings.home)
        layout.prepare()
        check_room(settings.home)
        _run(settings, layout, tell)
    except KeyboardInterrupt:  # before the supervisor took over, or a second one at the end
        pass
    except OSError as e:
        where = e.filename or settings.home
        raise Fault(f"{where}: {e.strerror or e}; mend that and start again") from e
    tell({"event": "stopped"})


def _run(settings: Settings, layout: Layout, tell: Listener) -> None:
    with home_lock(layout.run):
        register = Register(layout.run / "processes.json")
        # Before the ports are looked at: what a killed service left may hold them.
        leftovers = register.end_leftovers()
        if leftovers:
            tell({"event": "leftovers-ended", "parts": [entry.part for entry in leftovers]})
        forget_status(layout.run)
        forget_ready(layout.run)
        plan = make_plan(settings)
        tell({"event": "starting", "home": str(settings.home)})
        if plan.kafka is not None:
            plan.kafka.prepare()
        elif not make_topics(plan):
            raise Fault(f"the topics cannot be made at {plan.bootstrap}: ask who runs that Kafka")
        plan.engine.prepare()
        supervisor = Supervisor(parts_of(plan), register, layout.logs, tell)

        async def on_ready() -> None:
            port = plan.settings.port_service_metrics
            supervisor_metrics.export(supervisor, settings.home, port)
            event = await asyncio.to_thread(_ready_event, plan, supervisor)
            note_ready(layout.run, event)
            tell(event)

        try:
            asyncio.run(supervisor.run(on_ready))
        finally:
            stops.interrupt()  # the event loop's handlers are gone with it
            forget_ready(layout.run)
            _end_jobs(plan, tell)


def _end_jobs(plan: Plan, tell: Listener) -> None:
    """On a Flink of the user's the job would run on, with nobody to do its work."""
    if plan.engine.flink is None:
        return
    try:
        OurJobs(plan.engine, FlinkRest(plan.engine.rest)).end_all()
    except Fault as e:
        tell({"event": "job-left", "reason": str(e)})
    except KeyboardInterrupt:
        tell({"event": "job-left", "reason": "stopped again before it had ended"})
        raise


def _ready_event(plan: Plan, supervisor: Supervisor) -> dict[str, Any]:
    settings = plan.settings
    pids = supervisor.pids
    for name in ("kafka", "workers"):
        pids.setdefault(name, None)  # an existing one is used
    return {
        "event": "ready",
        "kafka": plan.bootstrap,
        "console": None,  # while there is none; who answers at its port is a stranger
        "metrics": {
            name: f"http://{ports.HOST}:{port}/metrics"
            for name, port in (
                ("feeds", settings.port_feeds_metrics),
                ("desk", settings.port_desk_metrics),
                ("pipeline", settings.port_pipeline_metrics),
                ("engine", settings.port_engine_metrics),
                ("service", settings.port_service_metrics),
            )
            if name != "engine" or plan.engine.flink is None
        },
        "pids": pids,
        "home": str(settings.home),
        "logs": str(plan.layout.logs),
    }
