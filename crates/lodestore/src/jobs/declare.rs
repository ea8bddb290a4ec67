//! How a queue comes to be.

use std::collections::HashSet;

use lodestore_sql::{Attribute, Declaration, DeclareOptions, Index, Lineage};
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result};

use super::queue_name;
use crate::{Schema, Table};

/// All but the key.
const DEFINITION: &str = "
---
status : enum('pending', 'reserved', 'success', 'error', 'ignore')
priority : int8
created_time=CURRENT_TIMESTAMP(3) : datetime(3)
scheduled_time=CURRENT_TIMESTAMP(3) : datetime(3)
reserved_time=null : datetime(3)
completed_time=null : datetime(3)
duration=null : float64
error_message='' : varchar(2047)
error_stack=null : <blob>
user='' : varchar(255)
host='' : varchar(255)
pid=0 : int32
connection_id=0 : int64
version='' : varchar(64)
";

/// Makes the queue of a table.
pub(super) fn declare(target: &Table) -> Result<()> {
    let name = queue_name(target)?;
    let instance = target.instance();
    let key = key_of(target)?;
    let Some(schema) = instance.existing_schema(name.schema.as_str())? else {
        return Err(
            Error::new(ErrorKind::MissingTable, "the schema is not there any more").with("table", target.name())
        );
    };
    let resolve: &crate::Resolve<'_> = &|reference| schema.resolve(&reference.path, None);
    let mut declaration = schema.compile(&name, DEFINITION, DeclareOptions::default(), resolve)?;
    // What the definition has for a key is that of a table without one.
    declaration.columns.retain(|column| !column.in_key);
    declaration.columns.splice(0..0, key.iter().cloned());
    declaration.primary_key = key.iter().map(|attribute| attribute.name.clone()).collect();
    // As in a column that a foreign key brought, no marker tells the type, unless the database spells it as a definition
    // does: then DataJoint takes it for one.
    let is_spelled =
        |core: &CoreType| matches!(core, CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Date | CoreType::Uuid);
    let inherited = key.iter().filter(|attribute| !is_spelled(&attribute.kind.core));
    declaration.inherited = inherited.map(|attribute| attribute.name.clone()).collect();
    // As DataJoint has it: its key attributes are their own origins.
    declaration.lineage = declaration.primary_key.iter().map(|own| (own.clone(), Lineage::of(&name, own))).collect();
    declaration.indexes =
        vec![Index { columns: ["status", "priority", "scheduled_time"].map(str::to_owned).into(), unique: false }];
    declaration.comment = comment_for(target);
    make(&schema, &declaration)
}

fn make(schema: &Schema, declaration: &Declaration) -> Result<()> {
    if schema.instance().in_transaction() {
        return Err(Error::new(ErrorKind::InvalidRequest, "a job table cannot be made inside a transaction")
            .with("table", &declaration.table)
            .with_hint("ask for the jobs of the table once before the transaction begins"));
    }
    schema.make_table(declaration)
}

fn comment_for(target: &Table) -> String {
    format!("Job queue for {}", target.quoted_name())
}

/// The attributes of the primary key that come from foreign keys inside the key.
fn key_of(target: &Table) -> Result<Vec<Attribute>> {
    let graph = target.instance().dependencies_of([&target.name().schema])?;
    let in_key = |name: &String| target.heading().get(name).is_some_and(|attribute| attribute.in_key);
    let inherited: HashSet<&String> = graph
        .parents(target.name())
        .filter(|edge| edge.key.columns.iter().all(in_key))
        .flat_map(|edge| &edge.key.columns)
        .collect();
    let key: Vec<Attribute> = target
        .heading()
        .primary_key()
        .filter(|attribute| inherited.contains(&attribute.name))
        .map(|attribute| Attribute { default: None, autoincrement: false, comment: String::new(), ..attribute.clone() })
        .collect();
    if key.is_empty() {
        let name = target.quoted_name();
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("Cannot create jobs table for {name}: no FK-derived primary key attributes found."),
        )
        .with_hint("begin the definition of the table with a foreign key such as `-> Session`"));
    }
    Ok(key)
}

/// An imported and a computed table of one name would share a queue, of which only one can be the owner.
pub(super) fn check_target(target: &Table, queue: &FullTableName, comment: &str) -> Result<()> {
    match comment.strip_prefix("Job queue for ") {
        Some(owner) if owner != target.quoted_name() => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the job table `{queue}` belongs to {owner}, a table of the same name and another tier"),
        )
        .with("table", target.name())
        .with_hint("give one of the two tables another name")),
        _ => Ok(()),
    }
}
