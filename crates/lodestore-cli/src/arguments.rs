//! What can be asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lodestore::Subset;

/// Look after a Lodestore project: its rows and its objects.
#[derive(Debug, Parser)]
#[command(name = "lodestore", bin_name = "lodestore", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The folder of an embedded project. Without it, the project that the environment and `datajoint.json` describe, or
    /// else the one in `./lodestore`.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) project: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress. Without a terminal none is shown anyway.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare rows with their objects, and objects with rows.
    ///
    /// Status: 0 all is well, 3 objects are missing or damaged, 4 something could not be read, 5 objects are left over that
    /// no row names; 1 the command failed, 2 it was called wrongly, 130 it was interrupted.
    Verify(Verify),
    /// Tell how many objects and bytes rows own, or what a delete would free.
    Usage(Usage),
    /// Delete objects that no row names any more. Without `--apply` it only tells which these are.
    ///
    /// The journal tells of objects of rows that were deleted or changed, and of inserts that did not come to be: that costs
    /// little. `--full` also lists the stores, and finds what no journal tells of.
    Gc(Gc),
    /// Bring back the rows of a delete, with their parts and objects, or tell which deletes can be undone.
    ///
    /// Deletes can be undone that happened while the setting `gc.undelete` was greater than 0, for so many seconds.
    Undelete(Undelete),
    /// Draw the tables of schemas and the foreign keys between them.
    Diagram(Diagram),
    /// Give an attribute's values another codec or store while others read and write, or look after such migrations.
    ///
    /// Every copy is read back and compared before it counts. The old values stay until `--confirm`; `--revert` brings them
    /// back. A migration that was killed goes on when it is asked for again, or by `--resume`.
    Migrate(Migrate),
    /// Move old or large values to other stores, as the setting `tiers` says. Without `--apply` it only tells which.
    Tier(Tier),
}

/// Which rows.
#[derive(Debug, Args)]
pub(crate) struct Rows {
    /// The schemas; all of them if none is named.
    #[arg(value_name = "SCHEMA", conflicts_with = "table")]
    pub(crate) schemas: Vec<String>,
    /// One table, as `schema.Class` or `schema.table`.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Of the table only the rows for which this holds, such as "session_date > '2026-01-01'".
    #[arg(long = "where", value_name = "CONDITION", requires = "table")]
    pub(crate) condition: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Read every byte, and compare checksums.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Look at some objects only, chosen at random: `0.1`, `10%`, or a count.
    #[arg(long, value_name = "PART", value_parser = |text: &str| text.parse::<Subset>().map_err(|error| error.to_string()))]
    pub(crate) subset: Option<Subset>,
    /// Keep in this file what was found sound, and go on from there after an interruption.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Do not search the stores for objects that no row names.
    #[arg(long)]
    pub(crate) rows_only: bool,
    /// Look for whole copies of what is missing or damaged; with `--apply`, write them where they belong.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Do what `--repair` found.
    #[arg(long, requires = "repair")]
    pub(crate) apply: bool,
    /// Tell no more findings than this; all are counted.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(crate) keep: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Tell what deleting the rows, and all that depend on them, would free. Nothing is deleted.
    #[arg(long, requires = "table")]
    pub(crate) of_delete: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// The schemas; all of them if none is named.
    #[arg(value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Delete what is found.
    #[arg(long)]
    pub(crate) apply: bool,
    /// List the stores as well.
    #[arg(long)]
    pub(crate) full: bool,
    /// Only objects in this store.
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Keep released objects for so many seconds, instead of as long as `gc.grace` and `gc.horizon` say.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) grace: Option<i64>,
    /// With `--full`, leave alone what is younger than so many seconds and no journal tells of, instead of as `gc.age` says.
    #[arg(long, value_name = "SECONDS", requires = "full", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) age: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct Undelete {
    /// The schema. Needed to undo a delete; with `--list`, all of them if none is named.
    #[arg(value_name = "SCHEMA", conflicts_with = "table", required_unless_present_any = ["list", "table"])]
    pub(crate) schema: Option<String>,
    /// One table, as `schema.Class` or `schema.table`: the newest delete that took rows of it.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// The deletion to undo, as `--list` tells it, instead of the newest.
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    pub(crate) deletion: Option<String>,
    /// Tell which deletes can be undone; undo none.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").multiple(false))]
pub(crate) struct Migrate {
    /// The table, as `schema.Class` or `schema.table`.
    #[arg(value_name = "TABLE", group = "what", requires = "attribute", requires = "to")]
    pub(crate) table: Option<String>,
    /// The attribute.
    #[arg(value_name = "ATTRIBUTE")]
    pub(crate) attribute: Option<String>,
    /// The type that it gets, such as "<npy@archive>".
    #[arg(long, value_name = "TYPE", requires = "table")]
    pub(crate) to: Option<String>,
    /// Only the rows for which this holds: they get another store, and the declared type stays.
    #[arg(long = "where", value_name = "CONDITION", requires = "table")]
    pub(crate) condition: Option<String>,
    /// So many rows at a time.
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) batch: u32,
    /// Release the old values once all is verified; with an identifier, those of that migration.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub(crate) confirm: Option<String>,
    /// Tell which migrations are neither confirmed nor reverted.
    #[arg(long, group = "what")]
    pub(crate) list: bool,
    /// Go on with one that was interrupted, or with all of them.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", group = "what")]
    pub(crate) resume: Option<String>,
    /// Bring the old values back.
    #[arg(long, value_name = "ID", group = "what")]
    pub(crate) revert: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Tier {
    /// Move the values.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) apply: bool,
    /// Only tell what would move: that is so anyway without `--apply`.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the old values until the migrations are confirmed or reverted.
    #[arg(long, requires = "apply")]
    pub(crate) keep_old: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diagram {
    /// The schemas; all of them if none is named.
    #[arg(value_name = "SCHEMA")]
    pub(crate) schemas: Vec<String>,
    /// Write to this file instead of the standard output. Its ending determines the format: `.svg`, `.mmd`, `.mermaid`,
    /// `.dot` or `.gv`.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format, if it does not follow from the name of the file.
    #[arg(long, value_enum)]
    pub(crate) format: Option<DiagramFormat>,
    /// The colours, instead of those of the setting `display.diagram_theme`.
    #[arg(long, value_name = "THEME", value_parser = ["light", "dark", "auto"])]
    pub(crate) theme: Option<String>,
    /// Where children are drawn, instead of as the setting `display.diagram_direction` says: from left to right, or from
    /// top to bottom.
    #[arg(long, value_name = "DIRECTION", value_parser = ["LR", "TB"])]
    pub(crate) direction: Option<String>,
    /// Show each schema as one node.
    #[arg(long)]
    pub(crate) collapse: bool,
}

/// What a diagram is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagramFormat {
    Svg,
    Mermaid,
    Dot,
}
