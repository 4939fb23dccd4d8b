# ruff: noqa: PLC0415 -- a command imports what it needs when it runs, so that --help is quick
# ruff: noqa: PLR0913, PLR0917 -- an option of a command is an argument here
# ruff: noqa: FBT002 -- Typer makes flags of booleans
"""Commands for sites: list, show, register, hold and delete them."""

from pathlib import Path
from typing import Annotated

import typer

from wattbook.cli.commands.app import app, sites
from wattbook.cli.commands.options import AsJson, FlowName, KindName, Url, seconds


@sites.callback()
def all_sites(context: typer.Context) -> None:
    """List, show, register, hold and delete sites."""
    if context.invoked_subcommand is None:
        list_sites()


@sites.command("list")
def list_sites(
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Every site in a line."""
    from wattbook.cli import sites as door

    door.list_all(url, as_json=json)


@sites.command("show")
def show_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    url: Url = None,
    json: AsJson = False,
) -> None:
    """One site with its meters, supplies, fleet and tariffs."""
    from wattbook.cli import sites as door

    door.show_one(site, url, as_json=json)


@sites.command("meters")
def list_meters(
    site: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """The meters of all sites, or of one."""
    from wattbook.cli import sites as door

    door.list_meters(site, url, as_json=json)


@sites.command("meter")
def put_meter(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.json",
            show_default=False,
            help="One meter or a list of them, as POST /api/v1/sites/ID/meters takes it; - is the"
            " standard input.",
        ),
    ],
    url: Url = None,
    json: AsJson = False,
) -> None:
    """Add a meter to a site, or change one from its `valid_from` on."""
    from wattbook.cli import meters as door

    door.put(site, file, url, as_json=json)


@sites.command("tariffs")
def site_tariffs(
    site: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="One tariff or a list of them, as POST /api/v1/sites/ID/tariffs takes it.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace all tariffs of the site by those of the file."),
    ] = False,
    url: Url = None,
    json: AsJson = False,
    template: Annotated[
        bool, typer.Option("--template", help="Print a tariff with every kind of component.")
    ] = False,
) -> None:
    """Tariffs of a site; with a file, add its tariffs first."""
    if template:
        from wattbook.cli import template as printed

        printed.tariff()
        return
    if site is None:
        raise typer.BadParameter("name the ID of a site, or --template")
    if replace and file is None:
        raise typer.BadParameter("name the FILE.json whose tariffs replace those of the site")
    if file is None:
        from wattbook.cli import sites as door

        door.list_tariffs(site, url, as_json=json)
        return
    from wattbook.cli import cost

    cost.tariffs(site, file, url, replace=replace, as_json=json)


LegalName = Annotated[
    str | None, typer.Option(help="Legal name of the operator, for the first page of reports.")
]
Permit = Annotated[
    str | None, typer.Option(help="Number of its permit, with the authority that issued it.")
]
Address = Annotated[str | None, typer.Option(help="Its postal address, on one line.")]
Contact = Annotated[str | None, typer.Option(help="Contact: a person, e-mail or telephone.")]


@sites.command("add")
def add_site(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="One site or a list of them, as POST /api/v1/sites takes it; options go before.",
        ),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Default: generated.")] = None,
    name: Annotated[str | None, typer.Option(help="For people to read.")] = None,
    operator: Annotated[str | None, typer.Option(help="Who runs it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone.")] = None,
    zone: Annotated[str | None, typer.Option(help="Grid zone, as US-TEX-ERCO.")] = None,
    capacity_kw: Annotated[
        float | None, typer.Option(help="Physical capacity, in kW; more is stored and flagged.")
    ] = None,
    plausible_kw: Annotated[
        float | None,
        typer.Option(help="Reject readings above this, in kW. Default: twice the capacity."),
    ] = None,
    contracted_kw: Annotated[
        float | None, typer.Option(help="Contracted or permitted power, in kW.")
    ] = None,
    telemetry: Annotated[
        KindName | None, typer.Option(help="Kind of its main meter, ID.main.")
    ] = None,
    expected_interval: Annotated[
        int | None,
        typer.Option(
            metavar="TIME",
            parser=seconds,
            help="Between its readings: 15min, 1h, PT15M or seconds. Default: 15min.",
        ),
    ] = None,
    register_size_kwh: Annotated[
        float | None, typer.Option(help="Where its register returns to 0, in kWh.")
    ] = None,
    register_resolution_kwh: Annotated[
        float | None, typer.Option(help="Smallest step that its register shows, in kWh.")
    ] = None,
    flow: Annotated[
        FlowName | None,
        typer.Option(help="net if it counts both ways; negative values are export."),
    ] = None,
    latitude: Annotated[float | None, typer.Option(help="Degrees north.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Degrees east.")] = None,
    legal_name: LegalName = None,
    permit: Permit = None,
    address: Address = None,
    contact: Contact = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Its data is simulated.")] = False,
    url: Url = None,
) -> None:
    """Register a site from a file, from options, or both."""
    from wattbook.cli import sites as door

    given = {
        "id": id_,
        "name": name,
        "operator": operator,
        "timezone": timezone,
        "zone": zone,
        "capacity_kw": capacity_kw,
        "plausible_kw": plausible_kw,
        "contracted_kw": contracted_kw,
        "telemetry": telemetry,
        "expected_interval_s": expected_interval,
        "register_size_kwh": register_size_kwh,
        "register_resolution_kwh": register_resolution_kwh,
        "flow": flow,
        "latitude": latitude,
        "longitude": longitude,
        "legal_name": legal_name,
        "permit": permit,
        "address": address,
        "contact": contact,
        "simulated": simulated or None,
    }
    options = {field: value for field, value in given.items() if value is not None}
    if file is None and not options:
        raise typer.BadParameter("name a FILE.json, or --name, --operator, --timezone and --zone")
    door.add(file, options, url)


@sites.command("edit")
def edit_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    name: Annotated[str | None, typer.Option(help="For people to read.")] = None,
    legal_name: LegalName = None,
    permit: Permit = None,
    address: Address = None,
    contact: Contact = None,
    url: Url = None,
) -> None:
    """Change what the first page of a report says about a site; an empty text clears a field."""
    from wattbook.cli import sites as door

    given = {
        "name": name,
        "legal_name": legal_name,
        "permit": permit,
        "address": address,
        "contact": contact,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter("name at least one of --name, --legal-name, --permit, …")
    door.edit(site, changes, url)


@sites.command("hold")
def hold_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Reason of the legal hold.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    url: Url = None,
) -> None:
    """Put a site on legal hold, so that no clean-up removes anything of it; or release it.

    Works beside a running service.
    """
    from wattbook.cli import sites as door

    if (reason is None) != release:
        raise typer.BadParameter("say --reason TEXT or --release, one of the two")
    door.hold(site, reason, url)


Force = Annotated[
    bool,
    typer.Option("--force", help="Delete its readings and figures, too."),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; the tombstone keeps it.")]


@sites.command("remove")
def remove_site(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    force: Force = False,
    reason: Reason = None,
    url: Url = None,
) -> None:
    """Delete a site that was registered by mistake, with its meters.

    A tombstone stays. Refused under legal hold, and without --force where there are readings.
    """
    from wattbook.cli import deletion as door

    door.delete(site, None, url, force=force, reason=reason)


@sites.command("remove-meter")
def remove_meter(
    site: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    meter: Annotated[str, typer.Argument(metavar="METER", show_default=False)],
    force: Force = False,
    reason: Reason = None,
    url: Url = None,
) -> None:
    """Delete a meter that was registered by mistake; refused as `sites remove` is."""
    from wattbook.cli import deletion as door

    door.delete(site, meter, url, force=force, reason=reason)


@app.command("zones")
def list_zones(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="In a name, an alias or an EIC code.")
    ] = "",
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="As country, state, or 'bidding zone'.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Grid zones that sites and prices can name, with their aliases."""
    from wattbook.cli import zones as door

    door.list_all(text, kind, as_json=json)
