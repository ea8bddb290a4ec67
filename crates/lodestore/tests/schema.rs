use lodestore::Tier;

use crate::Project;

#[test]
fn a_schema_tells_the_code_that_makes_it_again() {
    let project = Project::new();
    let people = project.instance.schema("people 2").unwrap();
    people.declare("Person", Tier::Lookup, "person : varchar(20)").unwrap();
    let scan = project.lab.declare(
        "Scan",
        Tier::Imported,
        "scan : int16  # say \"\"\"when\"\"\"\n---\n-> `people 2`.`#person`",
    );
    project.lab.declare_part(&scan.unwrap(), "Roi", "-> master\nroi : int8").unwrap();
    let code = project.lab.python_code().unwrap();
    let expected = "\"\"\"The schema lab.\"\"\"

import lodestore as dj

schema = dj.Schema(\"lab\")
people_2 = dj.VirtualModule(\"people_2\", \"people 2\")


@schema
class Scan(dj.Imported):
    definition = \"\"\"
    scan                 : int16                        # say \"\"\\\"when\"\"\\\"
    ---
    -> people_2.Person
    \"\"\"

    class Roi(dj.Part):
        definition = \"\"\"
        -> master
        roi                  : int8
        \"\"\"
";
    assert_eq!(code, expected);
}

#[test]
fn lineage_is_recorded_and_rebuilt() {
    let project = Project::new();
    project.lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    project.lab.declare("Litter", Tier::Manual, "-> Subject.proj(mother='subject')\nborn : date").unwrap();
    let recorded = project.lab.lineage().unwrap();
    let told = |table: &str, origin: &str| (format!("lab.{table}"), format!("lab.{origin}"));
    assert_eq!(
        recorded,
        [
            told("litter.born", "litter.born"),
            told("litter.mother", "subject.subject"),
            told("subject.subject", "subject.subject")
        ]
    );
    project.lab.rebuild_lineage().unwrap();
    assert_eq!(project.lab.lineage().unwrap(), recorded);
}
