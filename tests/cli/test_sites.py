def test_who_files_for_a_site_is_named_changed_and_cleared(run, site) -> None:
    edited = run(
        "sites", "edit", site, "--legal-name", "Fir Kraft AS", "--permit", "NVE 2026-17",
        "--address", "Storgata 1, Oslo", "--contact", "drift@fir.example",
    )  # fmt: skip
    shown = run("sites", "show", site)
    cleared = run("sites", "edit", site, "--permit", "")

    assert edited.exit_code == 0, edited.output
    for text in ("legal name: Fir Kraft AS", "permit: NVE 2026-17", "address: Storgata 1, Oslo"):
        assert text in shown.output
    assert "permit" not in cleared.output
    assert "contact: drift@fir.example" in cleared.output


def test_a_text_about_a_site_is_one_line_of_bounded_length(run, site) -> None:
    long = run("sites", "edit", site, "--permit", "x" * 201)
    lines = run("sites", "edit", site, "--address", "a\nb")
    nothing = run("sites", "edit", site)

    assert (long.exit_code, lines.exit_code, nothing.exit_code) == (2, 2, 2)
    assert "permit must have 1 to 200 characters on one line" in long.output
    assert "address must have 1 to 500 characters on one line" in lines.output
