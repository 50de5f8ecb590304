//! `completions`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, Subcommand as _};
use clap_complete::Shell;

use crate::settings;
use crate::targets::Table;
use crate::workspace::Workspace;

/// Print a shell's completions of commands, options and targets
///
/// The targets are those of the workspace in the current directory, or else of the built-in table; bash, zsh and fish complete them.
/// The words are completed behind `cargo-cross-flake`, and by bash behind `cargo cross-flake` as well.
#[derive(Args)]
#[command(after_long_help = "Example:\n  echo 'source <(cargo cross-flake completions bash)' >> ~/.bashrc")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Completes the words behind `cargo cross-flake`, and leaves all others to what completed them before.
const BASH: &str = r#"
for _@word@_now in _comp_load __load_completion; do
    declare -F "$_@word@_now" >/dev/null && "$_@word@_now" cargo 2>/dev/null && break
done
_@word@_now=$(complete -p cargo 2>/dev/null)
case $_@word@_now in
    *"-F _@word@_of_cargo "*) ;;
    *"-F "*) _@word@_before=${_@word@_now##*-F } _@word@_before=${_@word@_before%% *} ;;
    *) _@word@_before= ;;
esac
_@word@_of_cargo() {
    if [[ ${COMP_WORDS[1]} == @name@ && COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=(cargo-@name@ "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _@word@ cargo-@name@ "$2" "$3"
    elif [[ $_@word@_before ]]; then
        "$_@word@_before" "$@"
    fi
}
complete -F _@word@_of_cargo -o bashdefault -o default cargo
"#;

impl Completions {
    /// Runs the command.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let (mut command, program) = (command()?, program());
        let mut script = Vec::new();
        if self.shell == Shell::Bash {
            // clap_complete 4.6.12 finds no commands of a program with a hyphen in its name.
            let word = program.replace('-', "");
            clap_complete::generate(self.shell, &mut command, &word, &mut script);
            let text =
                String::from_utf8(script)?.replace(&format!("-o default {word}\n"), &format!("-o default {program}\n"));
            let glue = BASH.replace("@name@", program.trim_start_matches("cargo-")).replace("@word@", &word);
            script = (text + &glue).into_bytes();
        } else {
            clap_complete::generate(self.shell, &mut command, &program, &mut script);
        }
        if self.shell == Shell::Fish {
            // It has no values of arguments without a name.
            for (command, rows) in command.get_subcommands().filter_map(|command| Some((command, rows_of(command)?))) {
                let (name, condition) = (command.get_name(), program.replace('-', "_"));
                let line = format!(
                    "complete -c {program} -n \"__fish_{condition}_using_subcommand {name}\" -f -a \"{rows}\"\n"
                );
                script.extend(line.bytes());
            }
        }
        std::io::stdout().write_all(&script).context("cannot write to stdout")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The rows that a command takes, if it does.
fn rows_of(command: &Command) -> Option<String> {
    let argument = command.get_positionals().find(|argument| takes_rows(argument))?;
    let rows: Vec<String> = argument.get_possible_values().iter().map(|row| row.get_name().to_owned()).collect();
    Some(rows.join(" "))
}

fn takes_rows(argument: &Arg) -> bool {
    argument.is_positional() && ["target", "targets"].contains(&argument.get_id().as_str())
}

/// The name of the program as cargo finds it: `cargo-cross-flake`.
pub(super) fn program() -> String {
    match settings::program().strip_prefix("cargo ") {
        Some(name) if !name.contains(' ') => format!("cargo-{name}"),
        _ => "cargo-cross-flake".to_owned(),
    }
}

/// The whole command line, with the names of the rows as the values of every argument that takes some.
pub(super) fn command() -> Result<Command> {
    let table = match Workspace::load(None) {
        Ok(workspace) => workspace.table,
        // It need not be in a workspace.
        Err(_) => Table::built_in()?,
    };
    let rows: Vec<String> = table.rows().iter().map(|row| row.name.clone()).collect();
    let program = Command::new(program()).about("Builds a cargo workspace for every target and runs its tests");
    let program = super::Command::augment_subcommands(program).disable_help_subcommand(true);
    Ok(program.mut_subcommands(|command| {
        command.mut_args(|arg| {
            if takes_rows(&arg) {
                arg.value_parser(PossibleValuesParser::new(rows.clone())).hide_possible_values(true)
            } else {
                arg
            }
        })
    }))
}
