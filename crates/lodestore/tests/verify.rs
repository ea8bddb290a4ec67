//! Rows against objects and objects against rows; what can be brought back; what is owned.

use std::fs;
use std::path::{Path, PathBuf};

use lodestore::{
    CollectOptions, DeleteOptions, Depth, ErrorKind, FindingKind, NdArray, SchemaName, Subset, Table, Tier, Value,
    VerifyOptions, VerifyReport, row,
};
use lodestore_objects::testing::FaultyStore;

use crate::Project;

const EVERY_CODEC: &str = "
    id : int32
    ---
    blob = null : <blob@>
    attach = null : <attach@>
    hash = null : <hash@>
    npy = null : <npy@>
    object = null : <object@>
    folder = null : <object@>
";

fn deep() -> VerifyOptions {
    VerifyOptions { depth: Depth::Deep, ..VerifyOptions::default() }
}

fn verify(project: &Project, options: &VerifyOptions) -> VerifyReport {
    project.instance.verify(&[], options, &mut |_| {}).unwrap()
}

/// A table with objects of every codec, `rows` of each.
fn filled(project: &Project, rows: i64) -> Table {
    let table = project.lab.declare("Every", Tier::Manual, EVERY_CODEC).unwrap();
    let files = project.folder.path().join("files");
    fs::create_dir_all(&files).unwrap();
    table
        .insert((0..rows).map(|id| {
            let numbers: Vec<f64> = (0..100).map(|n| (n * id) as f64 + 0.5).collect();
            let note = files.join(format!("note{id}.txt"));
            fs::write(&note, format!("note {id}")).unwrap();
            let folder = files.join(format!("scan{id}.zarr"));
            fs::create_dir_all(folder.join("0")).unwrap();
            fs::write(folder.join(".zarray"), format!("{{\"id\": {id}}}")).unwrap();
            fs::write(folder.join("0/0"), vec![id as u8; 64]).unwrap();
            row! {
                "id" => id,
                "blob" => NdArray::from_f64(&numbers),
                "attach" => note.to_str(),
                "hash" => vec![id as u8 + 1; 50],
                "npy" => NdArray::from_f64(&numbers),
                "object" => vec![id as u8 + 100; 50],
                "folder" => folder.to_str(),
            }
        }))
        .unwrap();
    table
}

fn root(project: &Project) -> PathBuf {
    project.folder.path().join("objects")
}

fn flip(file: &Path, bit: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_sound_project_is_sound_and_every_object_is_looked_at() {
    let project = Project::new();
    filled(&project, 3);
    let mut told = 0;
    let report = project.instance.verify(&["lab"], &deep(), &mut |_| told += 1).unwrap();
    assert!(report.is_sound() && report.total() == 0 && report.both_ways && told > 1, "{report:?}");
    assert_eq!((report.tables, report.values, report.objects), (1, 18, 21));
    // Manifests are read besides.
    assert_eq!(project.objects().len(), 24);
    assert!(verify(&project, &VerifyOptions::default()).is_sound());
}

#[test]
fn every_flipped_bit_is_found() {
    let project = Project::new();
    filled(&project, 5);
    let objects = project.objects();
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for round in 0..200 {
        // Each object has its turn, and a random one of its bits.
        let path = &objects[round % objects.len()];
        let file = root(&project).join(path);
        let bit = next(8 * fs::metadata(&file).unwrap().len() as usize);
        flip(&file, bit);
        let report = verify(&project, &deep());
        assert_eq!(report.count(FindingKind::Damaged), 1, "bit {bit} of {path}: {report:?}");
        assert_eq!(report.findings[0].path.as_ref(), Some(path));
        flip(&file, bit);
    }
    assert!(verify(&project, &deep()).is_sound());
}

#[test]
fn what_is_wrong_is_named() {
    let project = Project::new();
    let table = filled(&project, 2);
    let objects = project.objects();
    let path = |part: &str| objects.iter().find(|path| path.contains(part)).unwrap().clone();
    let (array, chunk) = (path("/npy."), path("/0/0"));
    fs::remove_file(root(&project).join(&array)).unwrap();
    fs::write(root(&project).join(&chunk), "short").unwrap();
    let left_over = "_schema/lab/Every/id=9/npy.TOKENabc.npy";
    fs::create_dir_all(root(&project).join(left_over).parent().unwrap()).unwrap();
    fs::write(root(&project).join(left_over), "12345").unwrap();
    fs::write(root(&project).join("_hash/lab/notes.txt"), "mine").unwrap();
    fs::write(root(&project).join("mine.txt"), "not in a section").unwrap();

    let report = verify(&project, &VerifyOptions::default());
    let found: Vec<(FindingKind, String)> =
        report.findings.iter().map(|finding| (finding.kind, finding.path.clone().unwrap())).collect();
    for expected in [
        (FindingKind::Missing, array),
        (FindingKind::Damaged, chunk),
        (FindingKind::Unreferenced, left_over.to_owned()),
        (FindingKind::Foreign, "_hash/lab/notes.txt".to_owned()),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    assert_eq!((found.len(), report.unreferenced_bytes, report.is_sound()), (4, 5, false));
    let missing = &report.findings[0];
    assert_eq!((missing.table.as_deref(), missing.attribute.as_deref()), (Some("lab.every"), Some("npy")));
    assert!(missing.key.as_ref().unwrap().contains_key("id") && !missing.hint.is_empty());
    assert_eq!(report.to_json()["counts"]["missing"], 1);

    // Rows that were chosen tell of themselves alone.
    let id = missing.key.as_ref().unwrap()["id"].as_i64().unwrap();
    let other = table.restrict(row! { "id" => 1 - id }).unwrap();
    let of_others = other.verify(&VerifyOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(of_others.count(FindingKind::Missing), 0);
    assert!(!of_others.both_ways && of_others.values == 6);
    assert_eq!(
        project.instance.verify(&["nowhere"], &deep(), &mut |_| {}).unwrap_err().kind(),
        ErrorKind::MissingTable
    );
}

#[test]
fn rows_of_other_programs_are_looked_at_as_far_as_can_be() {
    let project = Project::new();
    let table = filled(&project, 1);
    let objects = project.objects();
    let file = |part: &str| root(&project).join(objects.iter().find(|path| path.contains(part)).unwrap());
    let statement = |sql: &str| project.sql(sql);
    // As DataJoint writes them: without checksum, size or manifest's checksum.
    for attribute in ["blob", "attach", "hash", "npy", "object", "folder"] {
        statement(&format!(
            "UPDATE \"lab.every\" SET {attribute} = json_remove({attribute}, '$.checksum', '$.manifest', '$.descr', '$.order', '$.header')"
        ));
    }
    statement("UPDATE \"lab.every\" SET npy = json_remove(npy, '$.size')");
    assert!(verify(&project, &deep()).is_sound());
    let damaged = |file: &Path, change: &dyn Fn(&Path), depth: Depth| {
        let whole = fs::read(file).unwrap();
        change(file);
        let options = VerifyOptions { depth, ..VerifyOptions::default() };
        let count = table.verify(&options, &mut |_| {}).unwrap().count(FindingKind::Damaged);
        fs::write(file, whole).unwrap();
        count
    };
    let longer = |file: &Path| fs::write(file, [fs::read(file).unwrap(), vec![0]].concat()).unwrap();
    // Contents that a hash names are known by it, bit by bit.
    assert_eq!(damaged(&file("_hash/"), &|file| flip(file, 100), Depth::Deep), 1);
    // The header of an array tells its type and shape, and so the size.
    let array = file("/npy.");
    assert_eq!(damaged(&array, &|file| fs::write(file, "no array").unwrap(), Depth::Fast), 1);
    assert_eq!(damaged(&array, &longer, Depth::Deep), 1);
    assert_eq!(damaged(&array, &|file| flip(file, 8 * 24), Depth::Deep), 1);
    // Of other objects the size is known.
    assert_eq!(damaged(&file("/object."), &longer, Depth::Fast), 1);
    fs::remove_file(file(".manifest.json")).unwrap();
    assert!(table.verify(&deep(), &mut |_| {}).unwrap().is_sound());
    assert_eq!(damaged(&file("/0/0"), &longer, Depth::Fast), 1);
    statement("UPDATE \"lab.every\" SET npy = '{\"store\": \"main\"}', blob = '[1]'");
    let report = table.verify(&deep(), &mut |_| {}).unwrap();
    assert_eq!(report.count(FindingKind::Unreadable), 2, "{report:?}");
}

#[test]
fn an_interrupted_verification_goes_on_where_it_was() {
    let project = Project::new();
    filled(&project, 20);
    let state = project.folder.path().join("state");
    let options = VerifyOptions { state: Some(state.clone()), both_ways: false, ..deep() };
    let hash = project.objects().into_iter().find(|path| path.starts_with("_hash")).unwrap();
    let file = root(&project).join(hash);
    let whole = fs::read(&file).unwrap();
    flip(&file, 9);
    // The program is killed after all objects but one were found sound.
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        project.instance.verify(&[], &options, &mut |progress| assert!(progress.findings == 0, "killed"))
    }));
    assert!(stopped.is_err() && state.exists());
    fs::write(&file, whole).unwrap();
    let reads = project.count_reads();
    let report = verify(&project, &options);
    assert!(report.is_sound() && report.resumed == 119 && reads.requests() < 10, "{report:?} {}", reads.requests());
    assert!(!state.exists());
    // Another verification does not take its file for its own.
    fs::write(&state, "{}\n").unwrap();
    let error = project.instance.verify(&[], &options, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[test]
fn a_sample_is_as_large_as_it_should_be() {
    let project = Project::new();
    filled(&project, 20);
    let few = VerifyOptions { subset: Some(Subset::Count(10)), ..VerifyOptions::default() };
    let report = verify(&project, &few);
    assert_eq!((report.values, report.skipped, report.both_ways), (120, 110, false));
    let half = VerifyOptions { subset: Some(Subset::Fraction(0.5)), ..VerifyOptions::default() };
    let skipped = verify(&project, &half).skipped;
    assert!((35..85).contains(&skipped), "{skipped}");
}

#[test]
fn a_store_in_doubt_leaves_nothing_to_be_called_left_over() {
    let project = Project::new();
    filled(&project, 3);
    let store = project.instance.store("main").unwrap();
    for requests in [0, 1, 5] {
        project.instance.use_store(FaultyStore::new(store.clone(), requests)).unwrap();
        let report = verify(&project, &VerifyOptions::default());
        let gone = report.count(FindingKind::Missing) + report.count(FindingKind::Unreferenced);
        assert!(gone == 0 && report.count(FindingKind::Unreadable) > 0, "{report:?}");
    }
}

#[test]
fn what_lies_elsewhere_is_brought_back() {
    let project = Project::new();
    let table = filled(&project, 2);
    let backup = project.folder.path().join("backup");
    fs::create_dir_all(&backup).unwrap();
    project
        .instance
        .configure(|config| {
            config.set("stores.backup.protocol", "file".into())?;
            config.set("stores.backup.location", backup.to_str().unwrap().into())
        })
        .unwrap();
    let objects = project.objects();
    let find = |part: &str| objects.iter().find(|path| path.contains(part)).unwrap().clone();
    let keep = |path: &str, place: &Path| {
        fs::create_dir_all(place.join(path).parent().unwrap()).unwrap();
        fs::copy(root(&project).join(path), place.join(path)).unwrap();
    };
    let (array, manifest, object) = (find("/npy."), find(".manifest.json"), find("/object."));
    // Of a folder without its manifest nothing more is known.
    let chunk =
        objects.iter().find(|path| path.ends_with("/0/0") && !path.starts_with(&manifest[..30])).unwrap().clone();
    for path in [&array, &chunk, &manifest] {
        keep(path, &backup);
    }
    // The content of a hash lies in another schema; an object was moved by hand; a copy in the backup is damaged itself.
    let hash = find("_hash/");
    project.instance.schema("other").unwrap();
    keep(&hash, &project.folder.path().join("kept"));
    fs::create_dir_all(root(&project).join("_hash/other")).unwrap();
    fs::rename(root(&project).join(&hash), root(&project).join(hash.replace("/lab/", "/other/"))).unwrap();
    let moved = object.replace("id=", "id=moved");
    fs::create_dir_all(root(&project).join(&moved).parent().unwrap()).unwrap();
    fs::rename(root(&project).join(&object), root(&project).join(&moved)).unwrap();
    fs::remove_file(root(&project).join(&array)).unwrap();
    flip(&root(&project).join(&chunk), 5);
    fs::remove_file(root(&project).join(&manifest)).unwrap();

    let report = verify(&project, &deep());
    assert_eq!(report.count(FindingKind::Missing) + report.count(FindingKind::Damaged), 5, "{report:?}");
    let told = project.instance.repair(&report, false).unwrap();
    assert!(told.iter().all(|repaired| repaired.source.is_some()), "{told:?}");
    assert_eq!(verify(&project, &deep()).total(), report.total());
    let done = project.instance.repair(&report, true).unwrap();
    assert_eq!(done, told);
    let after = verify(&project, &deep());
    assert!(after.is_sound(), "{after:?}");

    // A copy that is damaged is none.
    flip(&backup.join(&array), 1000);
    fs::remove_file(root(&project).join(&array)).unwrap();
    let report = table.verify(&deep(), &mut |_| {}).unwrap();
    let done = project.instance.repair(&report, true).unwrap();
    assert_eq!((done.len(), done[0].source.as_ref()), (1, None));
    assert!(done[0].problem.as_ref().unwrap().contains("no whole copy"));
}

#[test]
fn what_the_journal_knows_is_not_left_over() {
    let project = Project::new();
    let table = filled(&project, 3);
    let grace = |seconds: i64| project.instance.configure(|config| config.set("gc.grace", seconds.into())).unwrap();
    grace(3600);
    table.restrict("id = 1").unwrap().delete().unwrap();
    let report = verify(&project, &deep());
    assert_eq!((report.total(), report.pending, report.values), (0, 8, 12), "{report:?}");
    grace(0);
    project.instance.collect(&[SchemaName::new("lab").unwrap()], &CollectOptions::default()).unwrap();
    let report = verify(&project, &deep());
    assert_eq!((report.total(), report.pending, project.objects().len()), (0, 0, 16), "{report:?}");
}

#[test]
fn files_of_users_are_looked_for_and_left_alone() {
    let project = Project::new();
    let table = project.lab.declare("Raw", Tier::Manual, "id : int32\n---\nraw : <filepath@main>").unwrap();
    let file = root(&project).join("raw.bin");
    fs::create_dir_all(root(&project).join("folder")).unwrap();
    fs::write(&file, "12345").unwrap();
    fs::write(root(&project).join("folder/x"), "1").unwrap();
    table.insert([row! { "id" => 1, "raw" => "raw.bin" }, row! { "id" => 2, "raw" => "folder" }]).unwrap();
    assert!(verify(&project, &deep()).is_sound());
    fs::write(&file, "123").unwrap();
    let report = verify(&project, &deep());
    assert_eq!(report.count(FindingKind::Damaged), 1);
    assert!(report.findings[0].hint.contains("user's"));
    fs::remove_file(&file).unwrap();
    fs::remove_dir_all(root(&project).join("folder")).unwrap();
    let report = verify(&project, &deep());
    assert_eq!(report.count(FindingKind::Missing), 2);
    assert_eq!(project.instance.repair(&report, true).unwrap(), []);
}

#[test]
fn shared_objects_count_once() {
    let project = Project::new();
    let definition = "id : int32\n---\na = null : <blob@>\nb = null : <blob@>\nc = null : <object@>";
    let first = project.lab.declare("First", Tier::Manual, definition).unwrap();
    let second = project.lab.declare("Second", Tier::Manual, definition).unwrap();
    let object = vec![1u8; 1000];
    first
        .insert([
            row! { "id" => 1, "a" => "same", "b" => "same", "c" => object.clone() },
            row! { "id" => 2, "a" => "same", "b" => "other" },
        ])
        .unwrap();
    second.insert([row! { "id" => 1, "a" => "same", "b" => Value::Null, "c" => object }]).unwrap();
    let usage = project.instance.usage(&[]).unwrap();
    assert_eq!((usage.values, usage.objects, usage.unknown), (7, 4, 0));
    let on_disk: u64 =
        project.objects().iter().map(|path| fs::metadata(root(&project).join(path)).unwrap().len()).sum();
    assert_eq!(usage.bytes, on_disk);
    assert_eq!((usage.tables["lab.first"].0, usage.tables["lab.second"].0, usage.schemas["lab"].0), (3, 2, 4));
    assert_eq!(usage.stores["main"], (4, on_disk));
    let line = |table: &str, attribute: &str| {
        let found = usage.attributes.iter().find(|line| line.table == table && line.attribute == attribute).unwrap();
        (found.values, found.objects)
    };
    assert_eq!((line("first", "a"), line("first", "b"), line("second", "a")), ((2, 1), (2, 2), (1, 1)));
    assert_eq!(first.restrict("id = 2").unwrap().usage().unwrap().objects, 2);

    // What others share is not freed.
    let freed = first.restrict("id = 2").unwrap().usage_of_delete(DeleteOptions::default()).unwrap();
    assert_eq!((freed.objects, freed.attributes.len(), freed.attributes[0].attribute.as_str()), (1, 1, "b"));
    let freed = first.usage_of_delete(DeleteOptions::default()).unwrap();
    assert_eq!((freed.objects, freed.bytes > 1000), (2, true));
    assert_eq!((first.len().unwrap(), project.objects().len()), (2, 4));
    assert_eq!(project.instance.usage(&["nowhere"]).unwrap_err().kind(), ErrorKind::MissingTable);
}
