use super::*;

fn user(text: &str) -> Result<Table> {
    Table::from_sources(&[
        Source { path: Path::new("targets.toml"), text: BUILT_IN },
        Source { path: Path::new("/ws/targets.toml"), text },
    ])
}

fn error(text: &str) -> String {
    user(text).unwrap_err().to_string()
}

#[test]
fn the_shipped_table_is_valid() {
    let table = Table::built_in().unwrap();
    assert!(table.rows().len() >= 23);
    assert_eq!(table.rows()[0].name, "x86_64-linux");
}

#[test]
fn a_row_is_found_by_name_and_by_triple() {
    let table = Table::built_in().unwrap();
    assert_eq!(table.find("aarch64-linux").unwrap().triple, "aarch64-unknown-linux-gnu");
    assert_eq!(table.find("x86_64-pc-windows-gnu").unwrap().name, "windows-x64");
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let error = Table::built_in().unwrap().find("arch64-linux").unwrap_err().to_string();
    assert!(error.contains("did you mean aarch64-linux"), "{error}");
}

#[test]
fn a_user_overrides_one_field_and_keeps_the_others() {
    let table = user("[target.aarch64-linux]\nglibc = \"2.31\"\n").unwrap();
    let row = table.find("aarch64-linux").unwrap();
    assert_eq!(row.glibc.as_deref(), Some("2.31"));
    assert_eq!(row.qemu.as_deref(), Some("aarch64"));
}

#[test]
fn a_user_adds_a_row_with_a_spec_beside_its_file() {
    let text = "[target.my-board]\ntriple = \"my-board\"\nlevel = \"link\"\nreason = \"no emulator\"\nspec = \"my-board.json\"\nstd = \"core\"\n";
    let table = user(text).unwrap();
    assert_eq!(table.find("my-board").unwrap().spec.as_deref(), Some(Path::new("/ws/my-board.json")));
}

#[test]
fn errors_name_file_line_row_and_field() {
    assert_eq!(
        error("[target.aarch64-linux]\nglibc = \"2.31\"\nqemo = \"x\"\n").split(": unknown").next().unwrap(),
        "/ws/targets.toml:3: row `aarch64-linux`, field `qemo`"
    );
    assert!(error("[target.a]\ntriple = 3\n").starts_with("/ws/targets.toml:2: row `a`, field `triple`: "));
    assert_eq!(error("\n[target.a]\ntriple = \"a-b-c\"\n"), "/ws/targets.toml:2: row `a`, field `level`: is missing");
    assert!(error("[target.a]\ntriple = \"a-b-c\"\nlevel = \"run\"\n").contains("field `runner`: is missing"));
    assert!(
        error("[target.aarch64-linux]\nglibc = \"new\"\n")
            .starts_with("/ws/targets.toml:2: row `aarch64-linux`, field `glibc`")
    );
    assert!(error("[targets.a]\n").starts_with("/ws/targets.toml:1: unknown key `targets`"));
    assert!(error("[target.a\n").starts_with("/ws/targets.toml:1: "));
}

#[test]
fn debians_architecture_is_a_name_and_for_glibc_only() {
    let row = |name: &str| Table::built_in().unwrap().find(name).unwrap().debian.clone();
    assert_eq!(row("armv7hf-linux").as_deref(), Some("armhf"));
    assert_eq!(row("aarch64-linux-musl"), None);
    for text in ["", "ARM64", "../arm64", "arm64 armhf", "64"] {
        let error = error(&format!("[target.aarch64-linux]\ndebian = \"{text}\"\n"));
        assert!(error.contains(":2: row `aarch64-linux`, field `debian`: must be a name"), "{text}: {error}");
    }
    assert!(error("[target.aarch64-linux-musl]\ndebian = \"arm64\"\n").contains("needs `glibc`"));
}

#[test]
fn a_processor_is_named_to_zig_and_to_clang() {
    let error = error("[target.aarch64-linux]\nzig-cpu = \"cortex_a72\"\n");
    assert!(error.contains(":2: row `aarch64-linux`, field `zig-cpu`: is for zig's libraries alone"), "{error}");
    user("[target.aarch64-linux]\nzig-cpu = \"cortex_a72\"\ncflags = [\"-mcpu=cortex-a72\"]\n").unwrap();
}

#[test]
fn packages_are_written_into_a_table_that_keeps_its_comments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.toml");
    let packages = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    set_packages(&file, "aarch64-linux", &packages(&["liblzma-dev"])).unwrap();
    let new = "[target.aarch64-linux]\npackages = [\"liblzma-dev\"]\n";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
    let before = "# Ours.\n[target.aarch64-linux] # new\nglibc = \"2.31\" # old\n";
    std::fs::write(&file, before).unwrap();
    set_packages(&file, "aarch64-linux", &packages(&["a1", "b1"])).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{before}packages = [\"a1\", \"b1\"]\n"));
    assert_eq!(user(&text).unwrap().find("aarch64-linux").unwrap().packages, ["a1", "b1"]);
    std::fs::write(&file, BUILT_IN).unwrap();
    assert!(set_packages(&file, "aarch64-linux", &packages(&["a1"])).is_err());
}

#[test]
fn packages_are_debians_names_for_rows_that_have_some() {
    assert!(error("[target.windows-x64]\npackages = [\"zlib1g-dev\"]\n").contains("field `packages`: needs `debian`"));
    assert!(error("[target.aarch64-linux]\npackages = [\"-y\"]\n").contains("`-y` is no name of a package"));
}

#[test]
fn a_c_compiler_is_for_systems_that_have_a_recipe() {
    assert!(error("[target.x86_64-freebsd]\nzig = \"x86_64-netbsd\"\n").contains("field `zig`: is for Linux"));
}

#[test]
fn two_rows_never_share_a_triple() {
    let text = "[target.mine]\ntriple = \"aarch64-unknown-linux-gnu\"\nlevel = \"link\"\nreason = \"x\"\n";
    assert!(error(text).contains("same triple"));
}
