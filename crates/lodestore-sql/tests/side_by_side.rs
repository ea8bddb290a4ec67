//! The same declarations and queries in all dialects, side by side.
//!
//! A dialect joins by its line in [`dialects`]. After a change that is meant, `INSTA_UPDATE=always` writes the snapshots
//! anew; the difference is then read as any other.

use std::fmt::Write;
use std::sync::Arc;

use lodestore_sql::definition::Reference;
use lodestore_sql::{
    Condition, Conflict, Declaration, DeclareOptions, Definition, Dialect, Expression, Heading, JoinKind, JoinOptions,
    Mysql, Postgres, Projection, Resolver, Sqlite, Statement, Top, Universal, Unmatched, declare,
};
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, Value};

fn dialects() -> Vec<(&'static str, Box<dyn Dialect>)> {
    vec![
        ("sqlite", Box::new(Sqlite)),
        ("postgres", Box::new(Postgres)),
        ("mysql", Box::new(Mysql::of_version("8.4.0"))),
        ("mariadb", Box::new(Mysql::of_version("10.11.6-MariaDB"))),
    ]
}

fn codecs(text: &str) -> Result<CoreType> {
    match text {
        "<blob>" => Ok(CoreType::Bytes),
        text if text.contains('@') => Ok(CoreType::Json),
        _ => Err(Error::new(ErrorKind::UnknownCodec, format!("no codec {text}"))),
    }
}

/// Tables by the names of their classes.
#[derive(Default)]
struct Tables(Vec<(&'static str, Declaration)>);

impl Tables {
    fn add(&mut self, class: &'static str, name: &str, text: &str) -> &Declaration {
        let table = FullTableName::parse(name).unwrap();
        let parent = |reference: &Reference| Ok(self.heading(&reference.path));
        let resolver = Resolver { codec: &codecs, parent: &parent };
        let tier = table.table.tier().unwrap();
        let definition = Definition::parse(text).unwrap();
        let declaration = declare(&definition, &table, tier, DeclareOptions::default(), &resolver).unwrap();
        self.0.push((class, declaration));
        &self.0.last().unwrap().1
    }

    fn heading(&self, class: &str) -> Arc<Heading> {
        let found = self.0.iter().find(|(name, _)| *name == class);
        Arc::new(found.unwrap_or_else(|| panic!("{class}")).1.heading())
    }

    fn table(&self, class: &str) -> Expression {
        Expression::table(self.heading(class)).unwrap()
    }
}

fn lab() -> Tables {
    let mut tables = Tables::default();
    tables.add("Species", "lab.#species", "# what lives here\nspecies : varchar(20)  # latin name");
    tables.add(
        "Subject",
        "lab.subject",
        "subject_id : int32  # the 'number'\n---\n-> Species\nsex='U' : enum('M','F','U')\nweight=null : float64\nborn : date\n\
         note='' : varchar(100)\nmeta=null : json\ntoken=null : uuid\nalive=1 : bool\nindex (born, sex)\nunique index (token)",
    );
    tables.add(
        "Session",
        "lab.session",
        "-> Subject\nsession : int16\n---\nstarted=CURRENT_TIMESTAMP : datetime(3)\ncost=0 : decimal(8,2)\n\
         -> [nullable] Subject.proj(partner='subject_id')\ndata=null : <blob@>\nraw=null : <blob>",
    );
    tables.add("Config", "lab.config", "---\nversion : int32");
    tables
}

fn show(text: &mut String, statement: &Statement) {
    writeln!(text, "{}", statement.sql.trim_end()).unwrap();
    if !statement.parameters.is_empty() {
        let values: Vec<String> = statement.parameters.iter().map(Value::to_string).collect();
        writeln!(text, "  -- {}", values.join(", ")).unwrap();
    }
}

#[test]
fn declarations() {
    let mut text = String::new();
    for (class, declaration) in lab().0 {
        for (name, dialect) in dialects() {
            writeln!(text, "### {class} on {name}").unwrap();
            dialect.declare(&declaration).unwrap().iter().for_each(|statement| show(&mut text, statement));
            writeln!(text).unwrap();
        }
    }
    insta::assert_snapshot!("declarations", text);
}

#[test]
fn schemas_and_tables_come_and_go() {
    let schema = SchemaName::new("lab").unwrap();
    let table = FullTableName::parse("lab.subject").unwrap();
    let mut text = String::new();
    for (name, dialect) in dialects() {
        writeln!(text, "### {name}").unwrap();
        let statements = [dialect.create_schema(&schema), dialect.drop_table(&table), dialect.drop_schema(&schema)];
        statements.concat().iter().for_each(|statement| show(&mut text, statement));
        writeln!(text).unwrap();
    }
    insta::assert_snapshot!("schemas", text);
}

#[test]
fn inserts() {
    let tables = lab();
    let mut text = String::new();
    let cases: [(&str, &[&str], usize, Conflict); 5] = [
        ("Subject", &["subject_id", "species", "born"], 2, Conflict::Error),
        ("Subject", &["subject_id", "species", "born"], 1, Conflict::Skip),
        ("Subject", &["subject_id", "species", "born"], 1, Conflict::Replace),
        ("Species", &["species"], 1, Conflict::Replace),
        ("Config", &["version"], 1, Conflict::Error),
    ];
    for (class, columns, rows, conflict) in cases {
        let heading = tables.heading(class);
        writeln!(text, "### {rows} of {class}, {conflict:?}").unwrap();
        for (name, dialect) in dialects() {
            writeln!(text, "{name}: {}", dialect.insert(&heading, columns, rows, conflict).unwrap()).unwrap();
        }
        writeln!(text).unwrap();
    }
    writeln!(text, "### of a query into Subject").unwrap();
    for (name, dialect) in dialects() {
        let columns = ["subject_id", "born"];
        let query = dialect.insert_from(&tables.heading("Subject"), &columns, "SELECT 1", Conflict::Skip).unwrap();
        writeln!(text, "{name}: {}", query.unwrap_or_else(|| "-".into())).unwrap();
    }
    insta::assert_snapshot!("inserts", text);
}

fn map(entries: &[(&str, Value)]) -> Condition {
    Condition::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn queries(tables: &Tables) -> Result<Vec<(&'static str, Expression)>> {
    let (subject, session) = (tables.table("Subject"), tables.table("Session"));
    let text = |text: &str| Condition::Sql(text.to_owned());
    let keys = Condition::Any(vec![
        map(&[("subject_id", 1.into()), ("session", 2.into())]),
        map(&[("subject_id", 3.into()), ("session", 4.into())]),
    ]);
    let uuid = CoreType::Uuid.check("00000000-0000-0000-0000-000000000007".into())?;
    Ok(vec![
        ("all rows", subject.clone()),
        ("a key", subject.restrict(&map(&[("subject_id", 3.into())]))?),
        ("values of all sorts", {
            subject.restrict(&map(&[
                ("token", uuid),
                ("born", CoreType::Date.check("2020-02-29".into())?),
                ("weight", 20.5.into()),
                ("alive", true.into()),
                ("sex", "F".into()),
                ("note", Value::Null),
            ]))?
        }),
        ("one of a list", subject.restrict(&map(&[("sex", Value::List(vec!["M".into(), "F".into()]))]))?),
        ("a list of keys", session.restrict(&keys)?),
        ("a path into json", subject.restrict(&map(&[("meta.rig.n[0]", 5.into()), ("meta.name", "x".into())]))?),
        ("a path with a type", subject.restrict(&map(&[("meta.n:int", 5.into())]))?),
        ("text", subject.restrict(&text("weight > 20 and note like '50%' or `sex` = \"F\""))?),
        ("a pattern", subject.restrict(&text("note regexp '^a' and note not regexp 'b$'"))?),
        ("not among others", subject.restrict(&Condition::Not(Box::new(Condition::In(session.clone()))))?),
        ("a projection", {
            let columns =
                Projection::keep(["sex"]).with("grams", "weight").with("age", "timestampdiff(YEAR, born, now())");
            subject.project(&columns.with("rig", "meta.rig"))?
        }),
        ("what was computed", {
            let half = subject.project(&Projection::default().with("half", "weight / 2"))?;
            half.restrict(&map(&[("half", 2.5.into())]))?
        }),
        ("a join", subject.join(&session)?),
        ("a join with itself", {
            let keys = subject.project(&Projection::default())?;
            subject.join(&keys.restrict(&text("subject_id > 1"))?)?
        }),
        ("the same table twice", tables.table("Species").join(&tables.table("Species"))?),
        ("a left join", session.join_opts(&subject, JoinOptions { kind: JoinKind::Left, ..JoinOptions::default() })?),
        ("an aggregation", {
            let columns = Projection::keep(["..."]).with("n", "count(session)").with("costs", "sum(cost)");
            subject.aggregate(&session, &columns, Unmatched::Keep)?
        }),
        ("a union", {
            let side = |condition: &str| subject.project(&Projection::default())?.restrict(&text(condition));
            side("subject_id < 3")?.union(&side("subject_id > 1")?)?
        }),
        ("distinct values", Universal::new(["sex", "species"]).of(&subject)?),
        ("one row for all", Universal::default().aggregate(&subject, &[("n".into(), "count(*)".into())])?),
        ("the first rows", subject.top(&Top::first(3))?),
        ("an order", {
            let terms = ["weight desc", "sex", "length(note)", "subject_id DESC"];
            subject.top(&Top::ordered(terms).with_limit(5).with_offset(2))?
        }),
        ("an offset alone", subject.top(&Top::ordered(["KEY desc"]).with_offset(2))?),
        ("restricted after the first rows", subject.top(&Top::first(3))?.restrict(&text("alive"))?),
    ])
}

#[test]
fn selects() {
    let tables = lab();
    let mut text = String::new();
    for (what, query) in queries(&tables).unwrap() {
        writeln!(text, "### {what}").unwrap();
        for (name, dialect) in dialects() {
            write!(text, "{name}: ").unwrap();
            show(&mut text, &query.select(dialect.as_ref()).unwrap());
        }
        writeln!(text).unwrap();
    }
    insta::assert_snapshot!("selects", text);
}

#[test]
fn counts_and_deletions() {
    let tables = lab();
    let subject = tables.table("Subject");
    let few = subject.restrict(&Condition::Sql("weight > 20".into())).unwrap();
    let without = Condition::Not(Box::new(Condition::In(tables.table("Session"))));
    let mut text = String::new();
    for (name, dialect) in dialects() {
        let dialect = dialect.as_ref();
        writeln!(text, "### {name}").unwrap();
        for statement in [
            few.count(dialect),
            few.exists(dialect),
            few.delete(dialect),
            subject.top(&Top::first(2)).unwrap().delete(dialect),
            subject.restrict(&without).unwrap().delete(dialect),
        ] {
            show(&mut text, &statement.unwrap());
        }
        writeln!(text).unwrap();
    }
    insta::assert_snapshot!("counts_and_deletions", text);
}
