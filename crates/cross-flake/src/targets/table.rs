//! The rows, by name and by triple.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Target;
use super::drafts::{Drafts, Source};
use crate::cache::write_whole;

/// The table that ships with cross-flake.
const BUILT_IN: Source<'static> =
    Source { path: "targets.toml", text: include_str!("../../data/targets.toml"), is_workspaces: false };

/// All rows, in the order in which the files give them.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Target>,
}

impl Table {
    /// Returns the rows that ship with cross-flake.
    ///
    /// # Errors
    /// Never: the tests read them.
    pub fn built_in() -> Result<Table> {
        Table::of(&[BUILT_IN])
    }

    /// Returns the shipped rows, with those of `workspace/targets.toml` laid over them where that file exists.
    ///
    /// # Errors
    /// A malformed file: the error names file, line, row and field.
    pub fn load(workspace: &Path) -> Result<Table> {
        let path = workspace.join("targets.toml");
        if !path.exists() {
            return Table::built_in();
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Table::of(&[BUILT_IN, Source { path: &path.to_string_lossy(), text: &text, is_workspaces: true }])
    }

    fn of(sources: &[Source<'_>]) -> Result<Table> {
        let rows = Drafts::read(sources)?.rows()?;
        for (i, row) in rows.iter().enumerate() {
            if let Some(twin) = rows[..i].iter().find(|r| r.triple == row.triple) {
                bail!("rows `{}` and `{}` have the same triple {}", twin.name, row.name, row.triple);
            }
        }
        Ok(Table { rows })
    }

    /// Returns every row.
    pub fn rows(&self) -> &[Target] {
        &self.rows
    }

    /// Returns the rows of a run that names none, where the workspace lists none either.
    pub fn common(&self) -> Vec<Target> {
        self.rows.iter().filter(|row| row.common).cloned().collect()
    }

    /// The triples of the rows that have a runner, by their names.
    pub fn runners(&self) -> BTreeMap<String, String> {
        let with_runner = self.rows.iter().filter(|row| row.runner.is_some());
        with_runner.map(|row| (row.name.clone(), row.triple.clone())).collect()
    }

    /// The row of this friendly name or triple.
    ///
    /// # Errors
    /// An unknown name; the error suggests the nearest ones.
    pub fn find(&self, name: &str) -> Result<&Target> {
        if let Some(row) = self.rows.iter().find(|r| r.name == name || r.triple == name) {
            return Ok(row);
        }
        Err(self.unknown(name))
    }
}

/// Writes the field `packages` of a row into a workspace's own table, and leaves the rest of the file, comments included.
///
/// # Errors
/// The file is no table of targets, cannot be written, or is the one that ships with cross-flake.
pub fn set_packages(file: &Path, row: &str, packages: &[String]) -> Result<()> {
    let text = if file.exists() {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    } else {
        String::new()
    };
    if text == BUILT_IN.text {
        bail!("{} is the table that ships with cross-flake: `--apart` leaves it alone", file.display());
    }
    let mut document: toml_edit::DocumentMut =
        text.parse().with_context(|| format!("cannot read {}", file.display()))?;
    let rows = document.entry("target").or_insert_with(|| {
        let mut rows = toml_edit::Table::new();
        // Only the rows have a line of their own.
        rows.set_implicit(true);
        rows.into()
    });
    let rows = rows.as_table_like_mut().with_context(|| format!("{}: `target` is no table", file.display()))?;
    let fields = rows.entry(row).or_insert_with(|| toml_edit::Table::new().into());
    let fields =
        fields.as_table_like_mut().with_context(|| format!("{}: `target.{row}` is no table", file.display()))?;
    fields.insert("packages", toml_edit::value(toml_edit::Array::from_iter(packages)));
    write_whole(file, document.to_string().as_bytes(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Level;

    fn user(text: &str) -> Result<Table> {
        Table::of(&[BUILT_IN, Source { path: "/ws/targets.toml", text, is_workspaces: true }])
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

    /// By what rustc says of its targets (`--print all-target-specs-json`, which is for nightlies).
    #[test]
    fn tiers_are_those_of_rustc() {
        let mut rustc = std::process::Command::new("rustc");
        rustc.args(["-Zunstable-options", "--print", "all-target-specs-json"]).env("RUSTC_BOOTSTRAP", "1");
        let output = rustc.output().unwrap();
        let specs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in Table::built_in().unwrap().rows() {
            let tier = specs[&row.triple]["metadata"]["tier"].as_u64().map(|tier| u8::try_from(tier).unwrap());
            assert!(tier.is_some(), "rustc has no target {}", row.triple);
            assert_eq!(row.tier, tier, "{row}");
        }
    }

    #[test]
    fn a_run_that_names_no_rows_takes_the_common_ones_and_the_workspaces_own() {
        let table = Table::built_in().unwrap();
        let names = |rows: &[Target]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        let shipped = table.common().len();
        let ours = "like = \"macos\"\ntriple = \"a-b-c\"\n";
        assert_eq!(names(&user(&format!("[target.a]\n{ours}")).unwrap().common())[shipped..], ["a"]);
        assert_eq!(user(&format!("[target.a]\n{ours}common = false\n")).unwrap().common().len(), shipped);
        assert_eq!(user("[target.s390x-linux]\ncommon = false\n").unwrap().common().len(), shipped - 1);
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
    fn a_row_has_the_fields_of_what_it_is_like() {
        let text = "[family.ours]\nlike = \"aarch64-linux\"\nglibc = \"2.31\"\n\
                    [target.board]\nlike = \"ours\"\ntriple = \"our-linux-board\"\nqemu-cpu = \"cortex-a72\"\n";
        let table = user(text).unwrap();
        let row = table.find("board").unwrap();
        assert_eq!((row.triple.as_str(), row.level), ("our-linux-board", Level::Run));
        // Its own, the family's, and those of the row that the family is like.
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        assert_eq!([&row.qemu_cpu, &row.glibc, &row.qemu].map(text), ["cortex-a72", "2.31", "aarch64"]);
        assert_eq!(table.find("aarch64-linux").unwrap().glibc.as_deref(), Some("2.28"));
        assert!(table.find("ours").is_err());
    }

    #[test]
    fn a_row_is_like_one_that_exists_and_not_like_itself() {
        let place = |text: &str| error(text).replace("/ws/targets.toml", "");
        let unknown = place("[target.aarch64-linux]\nlike = \"arch64\"\n");
        assert!(
            unknown.starts_with(":2: row `aarch64-linux`, field `like`: there is no row or family `arch64`; did you")
        );
        let circle = place("[family.a]\nlike = \"b\"\n[family.b]\nlike = \"a\"\n[target.c]\nlike = \"a\"\n");
        assert_eq!(circle, ":4: row `c`, field `like`: goes round in a circle: c, a, b, a");
        assert_eq!(place("[family.a]\ntriple = \"x\"\n"), ":2: family `a`, field `triple`: is a row's own");
        assert_eq!(place("[family.aarch64-linux]\n"), ":1: `aarch64-linux` is the name of a row and of a family");
        assert_eq!(place("[target.a]\nlike = 1\n"), ":2: row `a`, field `like`: must be the name of a row or family");
        // The family is what is wrong, and the row says whose.
        let family = "[family.a]\nlike = \"aarch64-linux\"\nglibc = \"new\"\n";
        let inherited = place(&format!("{family}[target.b]\nlike = \"a\"\ntriple = \"a-b-c\"\n"));
        assert!(inherited.starts_with(":3: row `b`, field `glibc`: must be a version"), "{inherited}");
    }

    #[test]
    fn errors_name_file_line_row_and_field() {
        assert_eq!(
            error("[target.aarch64-linux]\nglibc = \"2.31\"\nqemo = \"x\"\n").split(": unknown").next().unwrap(),
            "/ws/targets.toml:3: row `aarch64-linux`, field `qemo`"
        );
        assert!(error("[target.a]\ntriple = 3\n").starts_with("/ws/targets.toml:2: row `a`, field `triple`: "));
        assert_eq!(
            error("\n[target.a]\ntriple = \"a-b-c\"\n"),
            "/ws/targets.toml:2: row `a`, field `level`: is missing"
        );
        assert!(error("[target.a]\ntriple = \"a-b-c\"\nlevel = \"run\"\n").contains("field `runner`: is missing"));
        assert!(
            error("[target.aarch64-linux]\nglibc = \"new\"\n")
                .starts_with("/ws/targets.toml:2: row `aarch64-linux`, field `glibc`")
        );
        assert!(error("[targets.a]\n").starts_with("/ws/targets.toml:1: unknown field `targets`"));
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
        std::fs::write(&file, BUILT_IN.text).unwrap();
        assert!(set_packages(&file, "aarch64-linux", &packages(&["a1"])).is_err());
    }

    #[test]
    fn packages_are_debians_names_for_rows_that_have_some() {
        assert!(
            error("[target.windows-x64]\npackages = [\"zlib1g-dev\"]\n").contains("field `packages`: needs `debian`")
        );
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
}
