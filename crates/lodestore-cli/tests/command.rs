//! The command as a shell sees it: status, standard output, standard error stream.

use std::fs;
use std::path::Path;
use std::process::Command;

use lodestore::{Instance, Tier, row};

/// Runs the command in a folder; gives all that it tells, with what differs from run to run blotted out.
fn lodestore(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lodestore"));
    let environment = std::env::vars().filter(|(name, _)| !name.to_ascii_uppercase().starts_with("DJ_"));
    let done = command.args(arguments).current_dir(folder).env_clear().envs(environment).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(folder.to_str().unwrap(), "FOLDER");
    let mut told = format!("status {}\n", done.status.code().unwrap());
    for (name, text) in [("out", text(done.stdout)), ("err", text(done.stderr))] {
        if !text.is_empty() {
            told += &format!("--- {name}\n{}", without_tokens(&text));
        }
    }
    told
}

/// Tokens of paths are random.
fn without_tokens(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/data.") {
        let (before, after) = rest.split_at(at + 6);
        clean.push_str(before);
        clean.push_str("TOKEN");
        rest = &after[8..];
    }
    clean + rest
}

/// A project in the folder `lodestore`, with a row that owns an object of ten bytes.
fn project(folder: &Path) {
    let project = Instance::embedded(folder.join("lodestore")).unwrap();
    let lab = project.schema("lab").unwrap();
    let table = lab.declare("Scan", Tier::Manual, "scan : int32\n---\ndata : <object@>").unwrap();
    table.insert1(row! { "scan" => 1, "data" => vec![7u8; 10] }).unwrap();
}

#[test]
fn a_sound_project() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--deep"]), @"
    status 0
    --- out
    1 table, 1 value, 1 object (10 B) looked at.
    All is well.
    ");
    insta::assert_snapshot!(lodestore(folder.path(), &["usage"]), @"
    status 0
    --- out
    ────────────────────────────────────────────────────────
     table      attribute   store   values   objects   size
    ════════════════════════════════════════════════════════
     lab.scan   data        main         1         1   10 B
    ────────────────────────────────────────────────────────
    store main: 1 object, 10 B
    1 object, 10 B in all.
    ");
    let freed = lodestore(folder.path(), &["usage", "--table", "lab.Scan", "--of-delete", "--json"]);
    let freed: serde_json::Value = serde_json::from_str(freed.split_once("--- out\n").unwrap().1).unwrap();
    assert_eq!((&freed["objects"], &freed["bytes"]), (&1.into(), &10.into()));
}

#[test]
fn what_is_wrong_and_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let objects = folder.path().join("lodestore/objects/_schema/lab/Scan");
    let object = fs::read_dir(objects.join("scan=1")).unwrap().next().unwrap().unwrap().path();
    fs::rename(object, objects.join("moved.bin")).unwrap();
    insta::assert_snapshot!(lodestore(folder.path(), &["verify"]), @r#"
    status 3
    --- out
    1 table, 1 value, 1 object (0 B) looked at.
    missing: lab.scan.data {"scan":1} main:_schema/lab/Scan/scan=1/data.TOKEN: the object is not in its store
    unreferenced: main:_schema/lab/Scan/moved.bin: no row names the object
    1 missing, 1 unreferenced.
    No row names 10 B.
    "#);
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--deep", "--repair"]), @r#"
    status 3
    --- out
    1 table, 1 value, 1 object (0 B) looked at.
    missing: lab.scan.data {"scan":1} main:_schema/lab/Scan/scan=1/data.TOKEN: the object is not in its store
    unreferenced: main:_schema/lab/Scan/moved.bin: no row names the object
    can be brought back: main:_schema/lab/Scan/scan=1/data.TOKEN from main:_schema/lab/Scan/moved.bin
    1 missing, 1 unreferenced.
    No row names 10 B.
    "#);
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--deep", "--repair", "--apply"]), @r#"
    status 5
    --- out
    1 table, 1 value, 1 object (0 B) looked at.
    missing: lab.scan.data {"scan":1} main:_schema/lab/Scan/scan=1/data.TOKEN: the object is not in its store
    unreferenced: main:_schema/lab/Scan/moved.bin: no row names the object
    brought back: main:_schema/lab/Scan/scan=1/data.TOKEN from main:_schema/lab/Scan/moved.bin
    1 missing, 1 unreferenced.
    No row names 10 B.
    "#);
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--rows-only"]), @"
    status 0
    --- out
    1 table, 1 value, 1 object (10 B) looked at.
    All is well.
    ");
}

#[test]
fn garbage() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let left_over = folder.path().join("lodestore/objects/_schema/lab/Scan/left.bin");
    fs::write(&left_over, "12345").unwrap();
    insta::assert_snapshot!(lodestore(folder.path(), &["gc"]), @"
    status 0
    --- out
    0 objects, 0 B, would be deleted.
    ");
    insta::assert_snapshot!(lodestore(folder.path(), &["gc", "lab", "--full"]), @"
    status 0
    --- out
    0 objects, 0 B, would be deleted.
    1 object too young to tell.
    ");
    insta::assert_snapshot!(lodestore(folder.path(), &["gc", "--full", "--age", "0"]), @"
    status 0
    --- out
    1 object, 5 B, would be deleted: `--apply` deletes them.
    ");
    assert!(left_over.exists());
    insta::assert_snapshot!(lodestore(folder.path(), &["gc", "--full", "--age", "0", "--grace", "0", "--apply"]), @"
    status 0
    --- out
    1 object, 5 B, deleted.
    ");
    assert!(!left_over.exists());
    insta::assert_snapshot!(lodestore(folder.path(), &["verify"]), @"
    status 0
    --- out
    1 table, 1 value, 1 object (10 B) looked at.
    All is well.
    ");
    assert!(lodestore(folder.path(), &["gc", "nowhere"]).starts_with("status 1"));
}

#[test]
fn faults_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(lodestore(folder.path(), &["verify"]), @"
    status 1
    --- err
    error: there is no project in `lodestore`
    hint: go to the folder of the project, or name its embedded database's folder by `--project`
    ");
    assert!(!folder.path().join("lodestore").exists());
    project(folder.path());
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--table", "lab.Scn", "--json"]), @r#"
    status 1
    --- err
    {"error":"there is no table `Scn` in schema `lab`","kind":"missing-table","context":{},"hint":"its tables are: Scan"}
    "#);
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--table", "lab.Scan", "--where", "scn = 1"]), @"
    status 1
    --- err
    error: there is no attribute `scn` (table `lab.scan`, sql `scn = 1`)
    hint: did you mean `scan`?
    ");
    insta::assert_snapshot!(lodestore(folder.path(), &["verify", "--subset", "half"]), @"
    status 2
    --- err
    error: invalid value 'half' for '--subset <PART>': `half` is no part of the objects

    For more information, try '--help'.
    ");
}

#[test]
fn a_diagram() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path());
    let instance = Instance::embedded(folder.path().join("lodestore")).unwrap();
    let lab = instance.schema("lab").unwrap();
    lab.declare("Mean", Tier::Computed, "-> Scan\n---\nmean : float64").unwrap();
    insta::assert_snapshot!(lodestore(folder.path(), &["diagram", "lab", "--format", "dot", "--theme", "dark"]), @r##"
    status 0
    --- out
    digraph {
      graph [rankdir=LR, bgcolor="#14171C", fontname="Helvetica", fontsize=11]
      node [style="filled,rounded", shape=box, fontname="Helvetica", fontsize=12, height=0.35]
      edge [dir=none]
      subgraph "cluster_lab" {
        graph [label="lab", labeljust=l, style="filled,rounded", fillcolor="#1A1E25", color="#38404B", fontcolor="#A3ADBA"]
        "lab.scan" [label="Scan", tooltip="lab.scan\n\nscan : int32\n---\ndata : <object@>", fillcolor="#173322", color="#58B980", fontcolor="#C4EED3"]
        "lab.__mean" [label="Mean", tooltip="lab.__mean\n\nscan : int32\n---\nmean : float64", fillcolor="#40201A", color="#EC7A5C", fontcolor="#FCD2C5", shape=ellipse, style=filled]
      }
      "lab.scan" -> "lab.__mean" [style=solid, penwidth=2.6, color="#8A94A3", tooltip="Mean → Scan"]
    }
    "##);
    let svg = lodestore(folder.path(), &["diagram"]);
    assert!(
        svg.starts_with("status 0\n--- out\n<svg ")
            && svg.contains("<title>lab.scan\n\nscan : int32\n---\ndata : &lt;object@&gt;</title>")
    );
    assert_eq!(lodestore(folder.path(), &["diagram", "--collapse", "-o", "all.mmd"]), "status 0\n");
    let mermaid = fs::read_to_string(folder.path().join("all.mmd")).unwrap();
    assert!(mermaid.contains("lab[[\"lab (2 tables)\"]]:::collapsed"), "{mermaid}");
    insta::assert_snapshot!(lodestore(folder.path(), &["diagram", "-o", "all.pdf"]), @"
    status 1
    --- err
    error: the ending of `all.pdf` names no format
    hint: name a file that ends in .svg, .mmd or .dot, or give `--format`
    ");
    insta::assert_snapshot!(lodestore(folder.path(), &["diagram", "rig"]), @"
    status 1
    --- err
    error: there is no schema `rig`
    hint: the schemas are: lab
    ");
}
