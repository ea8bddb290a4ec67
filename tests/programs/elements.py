"""A pipeline of DataJoint Elements, as published for DataJoint 0.13 and 0.14, from declaration to deletion.

Prints what it finds as one line of JSON. Run by `python -m lodestore run`.
"""

import datetime
import json

import datajoint as dj
import elements_linking
import numpy as np
from element_animal import genotyping, subject, surgery
from element_event import event, trial
from element_lab import lab, project
from element_session import session_with_datetime as session

dj.config["safemode"] = False
dj.config["custom"] = {"database.prefix": "el_"}
prefix = dj.config["custom"].get("database.prefix", "")

lab.activate(prefix + "lab")
project.activate(prefix + "project", linking_module=elements_linking)
subject.activate(prefix + "subject", linking_module="elements_linking")
genotyping.activate(prefix + "genotyping", prefix + "subject", linking_module="elements_linking")
surgery.activate(prefix + "surgery", prefix + "subject", linking_module="elements_linking")
session.activate(prefix + "session", linking_module="elements_linking")
trial.activate(prefix + "trial", prefix + "event", linking_module="elements_linking")

found = {"tables": {}}
for module in (lab, project, subject, genotyping, surgery, session, event, trial):
    found["tables"][module.schema.database] = len(module.schema.list_tables())

# Rows, in the forms in which the elements' own workflows insert them.
lab.Lab.insert1(("LabA", "The Example Lab", "221B Baker St", "UTC+0"))
lab.Organization.insert1({"organization": "Uni", "org_name": "University"})
lab.Lab.Organization.insert1({"lab": "LabA", "organization": "Uni"})
lab.UserRole.insert([("PI",), ("PhD",)])
lab.User.insert([{"user": "ann"}, {"user": "bob", "user_email": "b@lab"}], skip_duplicates=True)
lab.LabMembership.insert1({"lab": "LabA", "user": "ann", "user_role": "PI"})
lab.LabMembership.insert1({"lab": "LabA", "user": "bob", "user_role": None})
lab.Source.insert1({"source": "JAX", "source_name": "Jackson"})
lab.Project.insert1({"project": "p1"})

subject.Line.insert1({"line": "ai93", "is_active": True})
subject.Subject.insert(
    {"subject": f"s{i}", "sex": "MFU"[i % 3], "subject_birth_date": f"2020-01-{i + 1:02d}"} for i in range(6)
)
subject.Subject.Line.insert1({"subject": "s0", "line": "ai93"})
subject.Subject.Source.insert1({"subject": "s0", "source": "JAX"})
subject.Subject.User.insert1({"subject": "s0", "user": "ann"})
pair = {"line": "ai93", "breeding_pair": "bp1"}
genotyping.BreedingPair.insert1(pair)
genotyping.BreedingPair.Father.insert1({**pair, "father": "s0"})
genotyping.BreedingPair.Mother.insert1({**pair, "mother": "s1"})
litter = {**pair, "litter_birth_date": datetime.date(2021, 5, 1)}
genotyping.Litter.insert1({**litter, "num_of_pups": 2})
genotyping.SubjectLitter.insert1({"subject": "s2", **litter})
genotyping.Sequence.insert1({"sequence": "GCaMP6f"})
genotyping.GenotypeTest.insert1(
    {"subject": "s2", "sequence": "GCaMP6f", "genotype_test_id": "t1", "test_result": "Present"}
)

key = {"subject": "s0", "session_datetime": "2022-03-04 10:11:12"}
session.Session.insert1(key)
session.Session.insert1({"subject": "s1", "session_datetime": datetime.datetime(2022, 3, 5, 9, 0)})
session.SessionDirectory.insert1({**key, "session_dir": "s0/day1"})
session.SessionExperimenter.insert1({**key, "user": "ann"})
session.Session.Attribute.insert1(
    {**key, "attribute_name": "map", "attribute_blob": np.arange(6.0).reshape(2, 3)}
)
session.Session.Attribute.insert1({**key, "attribute_name": "options", "attribute_blob": {"a": [1, "b"]}})

event.EventType.insert([("start", ""), ("lick", ""), ("stop", "")])
event.BehaviorRecording.insert1({**key, "recording_duration": 60.0})
event.BehaviorRecording.File.insert1({**key, "filepath": "events.csv"})
event.Event.insert(
    [
        {**key, "event_type": kind, "event_start_time": when}
        for kind, when in [("start", 1.5), ("lick", 3.25), ("stop", 5.0), ("lick", 12.5)]
    ],
    allow_direct_insert=True,
)
event.AlignmentEvent.insert1(
    {
        "alignment_name": "lick",
        "alignment_event_type": "lick",
        "alignment_time_shift": 0,
        "start_event_type": "start",
        "start_time_shift": -0.5,
        "end_event_type": "stop",
        "end_time_shift": 0.5,
    }
)
trial.TrialType.insert1(("go", ""))
trial.Trial.insert(
    [
        {
            **key,
            "trial_id": number,
            "trial_type": "go",
            "trial_start_time": start,
            "trial_stop_time": start + 9,
        }
        for number, start in [(1, 1.0), (2, 10.0), (3, 20.0)]
    ],
    allow_direct_insert=True,
)
trial.Trial.Attribute.insert1(
    {**key, "trial_id": 1, "attribute_name": "trace", "attribute_blob": np.arange(3, dtype="int16")},
    allow_direct_insert=True,
)

# Joins, restrictions and fetches of older style.
found["born"] = (subject.Subject & 'sex="F"').fetch("subject_birth_date", order_by="subject")[0].isoformat()
found["keys"] = (subject.Subject & "subject_birth_date > '2020-01-04'").fetch("KEY", order_by="subject")
names, users = (session.Session * session.SessionExperimenter * subject.Subject.proj()).fetch(
    "subject", "user"
)
found["experimenters"] = [list(names), list(users)]
array, options = (session.Session.Attribute & key).fetch("attribute_blob", order_by="attribute_name")
found["blobs"] = [array.tolist(), options]
found["trace"] = (trial.Trial.Attribute & key).fetch1("attribute_blob").tolist()
found["frame"] = list((trial.Trial & key).fetch(format="frame").columns)
found["dicts"] = (lab.User & {"user": "bob"}).fetch(as_dict=True)
found["counts"] = (
    subject.Subject.aggr(session.Session, n="count(session_datetime)").fetch("n", order_by="subject").tolist()
)
found["members"] = [str(role) for role in lab.LabMembership.fetch("user_role", order_by="user")]
found["directory"] = elements_linking.get_session_directory(key)
found["active"] = (subject.Line & "line='ai93'").fetch1("is_active")
# As the element's own helper asks, which then adds decimals to floats and so fails with every version.
keys, starts = (trial.Trial ^ key).fetch("KEY", "trial_start_time", order_by="trial_id")
between = f"event_start_time BETWEEN {starts[0]} AND {starts[1]}"
licks = event.Event & key & {"event_type": "lick"} & between
found["licks"] = [keys[0]["trial_id"], [float(when) for when in licks.fetch("event_start_time", limit=1)]]

# Drawn, as text.
drawing = (dj.Diagram(subject) + dj.Diagram(session)).make_mermaid()
found["drawn"] = [name in drawing for name in ("Subject", "Session", "SessionExperimenter")]

# A virtual module of old, and deletion with all that depends.
virtual = dj.create_virtual_module("virtual", prefix + "subject")
found["virtual"] = len(virtual.Subject())
(subject.Subject & key).delete(force_masters=True)
found["left"] = [len(table()) for table in (subject.Subject, session.Session, event.Event, trial.Trial)]
print(json.dumps(found, default=str))
