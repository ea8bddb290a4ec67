//! The definitions recorded from DataJoint 2.3.5, and what each dialect makes of them.

use std::collections::HashMap;
use std::sync::Arc;

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Tier};
use serde_json::Value as Json;

use crate::definition::Reference;
use crate::{Declaration, DeclareOptions, Definition, Heading, Resolver, declare};

fn golden_codecs(text: &str) -> Result<CoreType> {
    match text.replace(' ', "").as_str() {
        "<blob>" | "<attach>" | "<chaincodec>" => Ok(CoreType::Bytes),
        "<vcodec>" => Ok(CoreType::Varchar(32)),
        text if text.contains('@') => Ok(CoreType::Json),
        _ => Err(Error::new(ErrorKind::UnknownCodec, format!("no codec {text}"))),
    }
}

/// The tables of a case in order, without the parents that were there before.
pub(crate) fn declare_case(case: &Json) -> Result<Vec<Declaration>> {
    let text = |json: &Json, name: &str| json[name].as_str().unwrap().to_owned();
    let tier = |json: &Json| match json["tier"].as_str().unwrap() {
        "Manual" | "Entry" => Tier::Manual,
        "Lookup" => Tier::Lookup,
        "Imported" => Tier::Imported,
        "Computed" => Tier::Computed,
        other => panic!("{other}"),
    };
    let options = DeclareOptions {
        job_metadata: case["config"]["jobs.add_job_metadata"] == true,
        provenance: case["config"]["provenance.capture"] == true,
    };
    let mut known: HashMap<String, Arc<Heading>> = HashMap::new();
    let mut made = Vec::new();
    let mut make = |class: &str, table: TableName, tier: Tier, definition: &str, alias: &[&str]| {
        let full = FullTableName { schema: SchemaName::new("golden")?, table };
        let parent = |reference: &Reference| {
            known
                .get(&reference.path)
                .cloned()
                .ok_or_else(|| Error::new(ErrorKind::InvalidDefinition, format!("no table {}", reference.path)))
        };
        let resolver = Resolver { codec: &golden_codecs, parent: &parent };
        let declaration = declare(&Definition::parse(definition)?, &full, tier, options, &resolver)?;
        for name in std::iter::once(class).chain(alias.iter().copied()) {
            known.insert(name.to_owned(), Arc::new(declaration.heading()));
        }
        made.push(declaration);
        Ok::<_, Error>(full)
    };
    for parent in case["parents"].as_array().unwrap() {
        let class = text(parent, "class_name");
        let table = TableName::from_class(&class, tier(parent))?;
        make(&class, table, tier(parent), &text(parent, "definition"), &[])?;
    }
    let class = text(case, "class_name");
    let table = TableName::from_class(&class.replace('_', ""), tier(case))?;
    let master = make(&class, table, tier(case), &text(case, "definition"), &["master"])?;
    for part in case["parts"].as_array().unwrap() {
        let name = text(part, "class_name");
        let table = master.table.part(&name)?;
        make(&format!("{class}.{name}"), table, Tier::Part, &text(part, "definition"), &[])?;
    }
    Ok(made.split_off(case["parents"].as_array().unwrap().len()))
}

/// Compares all cases with what the peer sent for one of its backends. `write` gives the statements of one table without
/// those of its lineage. `departures` are cases of which we declare the same table by another text, `refused` those that
/// we refuse and the peer does not, each with the reason.
pub(crate) fn compare(
    backend: &str,
    write: &dyn Fn(&Declaration) -> Vec<String>,
    departures: &[(&str, &str)],
    refused: &[(&str, &str)],
) {
    let golden: Json = serde_json::from_str(include_str!("../tests/golden/ddl.json")).unwrap();
    let listed = |list: &[(&str, &str)], id: &str| list.iter().any(|(known, _)| *known == id);
    let recorded = |case: &Json, what: &str| case[format!("{backend}_{what}")].clone();
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in golden["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let expected: Vec<String> = serde_json::from_value(recorded(case, "ddl")).unwrap();
        let declared = match declare_case(case) {
            Ok(declared) => declared,
            Err(_) if listed(refused, id) || (!recorded(case, "error").is_null() && expected.is_empty()) => {
                equal += 1;
                continue;
            }
            Err(error) => {
                wrong.push(format!("{id}: refused: {error:?}"));
                continue;
            }
        };
        let made: Vec<String> = declared.iter().flat_map(write).collect();
        let same = made.iter().map(|sql| sql.trim_end()).eq(expected.iter().map(|sql| sql.trim_end()));
        match (same, listed(departures, id)) {
            (true, true) => wrong.push(format!("{id}: agrees, though it is listed as a departure")),
            (false, false) => wrong.push(format!("{id}:\n{}\nexpected\n{}", made.join("\n"), expected.join("\n"))),
            _ => equal += 1,
        }
        let mut lineage: Vec<[String; 3]> = declared
            .iter()
            .flat_map(|one| {
                let table = one.table.table.to_string();
                one.lineage.iter().map(move |(name, origin)| [table.clone(), name.clone(), origin.to_string()])
            })
            .collect();
        let mut rows: Vec<[String; 3]> = serde_json::from_value(recorded(case, "lineage")).unwrap_or_default();
        lineage.sort();
        rows.sort();
        if recorded(case, "error").is_null() && lineage != rows {
            wrong.push(format!("{id}: lineage {lineage:?}\nexpected {rows:?}"));
        }
    }
    assert!(wrong.is_empty(), "{equal} agree:\n{}", wrong.join("\n\n"));
    assert_eq!(equal, golden["cases"].as_array().unwrap().len());
}
