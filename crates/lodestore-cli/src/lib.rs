//! The command `lodestore`: verify, measure and clean a project from a shell.
//!
//! [`run`] is the whole command: the program of this crate calls it, and so does the Python package for its own script and
//! for `python -m lodestore`. Results go to the standard output, as text or as JSON; progress and errors to the standard
//! error stream. The [status](ExitStatus) tells what was found.

mod arguments;
mod diagram;
mod gc;
mod migrate;
mod output;
mod progress;
mod project;
mod tier;
mod undelete;
mod usage;
mod verify;

use std::ffi::OsString;

use clap::Parser;
use lodestore::{ErrorKind, Result};

use arguments::{Arguments, Command};

/// What the command's status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// All is well.
    Success = 0,
    /// The command could not do its work.
    Failure = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// Objects are missing or damaged.
    Damage = 3,
    /// Something could not be read, or not deleted.
    Unreadable = 4,
    /// No object is missing or damaged, but some are not named by any row.
    LeftOver = 5,
    /// The user pressed Ctrl-C.
    Interrupted = 130,
}

/// Runs the command with these arguments, the first of which is its name; gives its status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            // Help is no mistake, and goes to the standard output.
            let status = if message.use_stderr() { ExitStatus::Usage } else { ExitStatus::Success };
            let _ = message.print();
            return status as i32;
        }
    };
    let status = carry_out(&arguments).unwrap_or_else(|error| {
        if error.kind() == ErrorKind::Interrupted {
            eprintln!("interrupted");
            return ExitStatus::Interrupted;
        }
        output::error(&error, arguments.json);
        ExitStatus::Failure
    });
    status as i32
}

fn carry_out(arguments: &Arguments) -> Result<ExitStatus> {
    let instance = project::open(arguments)?;
    match &arguments.command {
        Command::Verify(options) => verify::run(&instance, arguments, options),
        Command::Usage(options) => usage::run(&instance, arguments, options),
        Command::Gc(options) => gc::run(&instance, arguments, options),
        Command::Undelete(options) => undelete::run(&instance, arguments, options),
        Command::Migrate(options) => migrate::run(&instance, arguments, options),
        Command::Diagram(options) => diagram::run(&instance, options),
        Command::Tier(options) => tier::run(&instance, arguments, options),
    }
}
