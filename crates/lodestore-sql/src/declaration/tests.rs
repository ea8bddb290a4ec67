use lodestore_types::{ErrorKind, Value};

use super::*;
use crate::DefaultValue;
use crate::heading::AttributeType;

/// A codec resolver that knows three codecs.
pub(crate) fn codecs(text: &str) -> Result<CoreType> {
    match text.replace(' ', "").as_str() {
        "<blob>" => Ok(CoreType::Bytes),
        "<blob@>" | "<npy@cold>" => Ok(CoreType::Json),
        _ => Err(lodestore_types::Error::new(ErrorKind::UnknownCodec, format!("no codec {text}"))),
    }
}

pub(crate) fn table(name: &str) -> FullTableName {
    FullTableName::parse(name).unwrap()
}

/// Declares a table whose parents are looked up by path among `parents`.
pub(crate) fn declare_text(name: &str, text: &str, parents: &[(&str, &Declaration)]) -> Result<Declaration> {
    let table = table(name);
    let tier = table.table.tier().unwrap();
    let parent = |reference: &Reference| {
        parents
            .iter()
            .find(|(path, _)| *path == reference.path)
            .map(|(_, parent)| Arc::new(parent.heading()))
            .ok_or_else(|| {
                lodestore_types::Error::new(ErrorKind::InvalidDefinition, format!("no table {}", reference.path))
            })
    };
    let options = DeclareOptions { job_metadata: true, provenance: true };
    declare(&Definition::parse(text)?, &table, tier, options, &Resolver { codec: &codecs, parent: &parent })
}

fn names(declaration: &Declaration) -> Vec<&str> {
    declaration.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn a_child_inherits_key_columns_and_their_origin() {
    let subject = declare_text("lab.subject", "subject_id : int32 # unique\n---\nname : varchar(20)", &[]).unwrap();
    assert_eq!(names(&subject), ["subject_id", "name", "_prov"]);
    let text = "-> Subject\nsession : int16\n---\n-> [nullable, unique] Subject.proj(mother='subject_id')\ndata=null : <blob@>";
    let session = declare_text("lab.session", text, &[("Subject", &subject)]).unwrap();
    assert_eq!(names(&session), ["subject_id", "session", "mother", "data", "_prov"]);
    assert_eq!(session.primary_key, ["subject_id", "session"]);
    let mother = &session.columns[2];
    assert!(mother.nullable && mother.default == Some(DefaultValue::Null));
    assert_eq!(mother.kind, AttributeType::core(CoreType::Int32));
    assert_eq!(mother.comment, "unique");
    let lineage: Vec<String> = session.lineage.iter().map(|(name, origin)| format!("{name} {origin}")).collect();
    assert_eq!(
        lineage,
        ["subject_id lab.subject.subject_id", "mother lab.subject.subject_id", "session lab.session.session"]
    );
    assert_eq!(session.foreign_keys[1].parent_columns, ["subject_id"]);
    assert_eq!(session.indexes, [Index { columns: vec!["mother".into()], unique: true }]);
    assert!(session.warnings.is_empty());
}

#[test]
fn the_system_adds_its_attributes() {
    let single = declare_text("lab.__single", "", &[]).unwrap();
    assert_eq!(names(&single), ["_singleton", "_job_start_time", "_job_duration", "_job_version"]);
    assert_eq!(single.columns[0].default, Some(DefaultValue::Value(Value::Bool(true))));
    assert_eq!(single.lineage[0].1.as_str(), "lab.__single._singleton");
    let error = declare_text("lab.child", "-> Single", &[("Single", &single)]).unwrap_err();
    assert!(error.message().contains("no key attribute"), "{error}");
    let part = declare_text("lab.a__b", "id : int8", &[]).unwrap();
    assert_eq!(names(&part), ["id"]);
    assert!(part.warnings[0].contains("master"));
}

#[test]
fn later_duplicates_are_ignored_with_a_warning() {
    let twice = declare_text("lab.#t", "a : int8\na : int16 # other", &[]).unwrap();
    assert_eq!(twice.columns[0].kind.core, CoreType::Int8);
    assert!(twice.warnings[0].contains("twice"));
}

#[test]
fn defaults_become_values_of_the_type() {
    let text = "a : int8\n---\nb=5 : int8\nc=\"x\" : varchar(3)\nd=CURRENT_TIMESTAMP(6) : datetime(3)\ne=1.5 : decimal(4,2)\n\
                f=null : <blob>\ng='{\"a\": 1}' : json\nh=true : bool\ni=2020-01-01 : date";
    let made = declare_text("lab.#t", text, &[]).unwrap();
    let defaults: Vec<_> = made.columns[1..].iter().map(|column| column.default.clone().unwrap()).collect();
    assert_eq!(
        defaults,
        [
            DefaultValue::Value(5.into()),
            DefaultValue::Value("x".into()),
            DefaultValue::Now(Some(3)),
            DefaultValue::Value("1.50".parse::<lodestore_types::Decimal>().unwrap().into()),
            DefaultValue::Null,
            DefaultValue::Value(serde_json::json!({"a": 1}).into()),
            DefaultValue::Value(true.into()),
            DefaultValue::Value(lodestore_types::Date::constant(2020, 1, 1).into()),
        ]
    );
}

#[test]
fn bad_declarations_are_refused() {
    let parent = declare_text("lab.p", "p_id : int8\nq : varchar(3)", &[]).unwrap();
    let cases = [
        ("a : int3", "unsupported attribute type `int3`", Some("did you mean `int32`?")),
        ("a : uint8", "unsupported", Some("did you mean `int16`?")),
        ("a : boolean", "unsupported", Some("did you mean `bool`?")),
        ("a : blob@store", "unsupported", Some("did you mean `<blob@store>`?")),
        ("a : INT32", "unknown core type `INT32`", Some("write it as `int32`")),
        ("a : varchar (10)", "unknown core type", Some("write it as `varchar(10)`")),
        ("a : int8\n---\nb : jsonb", "unknown core type", Some("write it as `json`")),
        ("a : <what>", "no codec <what>", None),
        ("a : <blob>", "primary key cannot hold `<blob>`", None),
        ("a : bytes", "primary key cannot hold", None),
        ("a : json", "primary key cannot hold", None),
        ("a=null : int8", "cannot be nullable", None),
        ("-> [nullable] P", "cannot be nullable", None),
        ("a : int8\n---\nb=300 : int8", "default `300` does not fit `int8`", Some("declare the attribute as `int16`")),
        ("a : int8\n---\nb=x : bytes", "can only be null", None),
        ("a : int8\n---\nb=CURRENT_TIMESTAMP : date", "does not fit `date`", None),
        ("a : int8\nindex(aa)", "no attribute `aa`", Some("did you mean `a`?")),
        ("-> Q", "no table Q", None),
        ("-> P.proj(x='p_idd')", "no attribute `p_idd`", Some("did you mean `p_id`?")),
        ("-> P.proj(x='p_id', x='q')", "would be named `x`", None),
        ("-> P.proj(x='p_id', y='p_id')", "renamed twice", None),
        ("-> P.proj(q='p_id')", "two key attributes", None),
        ("p_id : uuid\n-> P", "holds `uuid`", None),
    ];
    for (text, message, hint) in cases {
        let error = declare_text("lab.t", text, &[("P", &parent)]).expect_err(text);
        assert!(error.message().contains(message), "{text}: {error}");
        assert!(error.context().any(|pair| pair == ("table", "lab.t")), "{text}: {error}");
        if hint.is_some() {
            assert_eq!(error.hint(), hint, "{text}");
        }
    }
}

#[test]
fn describe_gives_a_definition_that_declares_the_same() {
    let subject = declare_text("lab.subject", "subject_id : int32\nspecies=\"mouse\" : varchar(20) # x", &[]).unwrap();
    let text = "# a session\n-> Subject\nsession : int16 # n\n---\n-> [nullable, unique] Subject.proj(mother='subject_id', k='species')\n\
                data=null : <blob@>\nat=CURRENT_TIMESTAMP : datetime\nindex (at, session)";
    let session = declare_text("lab.session", text, &[("Subject", &subject)]).unwrap();
    let name_of = |table: &FullTableName| (table.table.as_str() == "subject").then(|| "Subject".to_owned());
    let described = session.heading().describe(&session.foreign_keys, &name_of);
    assert!(
        described.contains("-> [nullable, unique] Subject.proj(mother=\"subject_id\", k=\"species\")"),
        "{described}"
    );
    assert_eq!(declare_text("lab.session", &described, &[("Subject", &subject)]).unwrap(), session);
    assert!(session.heading().to_string().contains("data=null            : <blob@>                      # \n"));
}
