"""The DataJoint Elements of recordings, as published for DataJoint 0.13 and 0.14: all their tables, some rows, joins, diagrams.

What they need of others to read and to plot recordings is stubbed. Prints what it finds as one line of JSON. Run by
`python -m lodestore run`.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import types
import uuid

import datajoint as dj
import numpy as np

THIRD_PARTY = frozenset(
    [
        "cv2",
        "deeplabcut",
        "element_interface",
        "facemap",
        "hdmf",
        "intern",
        "ipywidgets",
        "neuroconv",
        "nrrd",
        "plotly",
        "pynwb",
        "requests",
        "pyopenephys",
        "ruamel",
        "scipy",
        "seaborn",
        "skimage",
        "spikeinterface",
        "tifffile",
        "yaml",
    ]
)


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules in which every name is a class of its own."""

    def find_spec(self, fullname, path=None, target=None):
        known = fullname.partition(".")[0] in THIRD_PARTY
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: type(name, (), {})
        if spec.name == "element_interface.utils":
            module.dict_to_uuid = lambda given: uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(given))
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Stubs())

import elements_recording_linking as linking  # noqa: E402
from element_animal import subject, surgery  # noqa: E402
from element_event import event, trial  # noqa: E402
from element_lab import lab  # noqa: E402
from element_session import session_with_datetime as session  # noqa: E402

dj.config["safemode"] = False
lab.activate("er_lab")
subject.activate("er_subject", linking_module=linking)
surgery.activate("er_surgery", "er_subject", linking_module=linking)
session.activate("er_session", linking_module=linking)
trial.activate("er_trial", "er_event", linking_module=linking)


def module(path):
    return importlib.import_module(path)


found = {"tables": {}}
modules = [lab, subject, surgery, session, event, trial]

# One of the variants of recordings by electrodes and of calcium, as the arguments say: they exclude each other.
ephys_name, imaging_name = sys.argv[1:]
ephys = module(f"element_array_ephys.{ephys_name}")
ephys.activate("er_ephys", "er_probe", linking_module=linking)
imaging = module(f"element_calcium_imaging.{imaging_name}")
imaging.activate("er_imaging", "er_scan", linking_module=linking)
probe, scan = module("element_array_ephys.probe"), module("element_calcium_imaging.scan")
modules += [ephys, imaging]
linking.scan, linking.imaging, linking.train = scan, imaging, module("element_deeplabcut.train")
linking.Scan, linking.volume = scan.Scan, module("element_zstack.volume")
linking.ProbeInsertion, linking.probe = ephys.ProbeInsertion, probe
for path, schema in (
    ("element_calcium_imaging.analysis", "er_analysis"),
    ("element_miniscope.miniscope", "er_miniscope"),
    ("element_deeplabcut.train", "er_train"),
    ("element_deeplabcut.model", "er_model"),
    ("element_facemap.facial_behavior_estimation", "er_facemap"),
    ("element_optogenetics.optogenetics", "er_optogenetics"),
    ("element_zstack.volume", "er_volume"),
    ("element_zstack.bossdb", "er_bossdb"),
):
    variant = module(path)
    variant.activate(schema, linking_module=linking)
    modules.append(variant)
localization = module("element_electrode_localization.electrode_localization")
localization.activate("er_localization", "er_framework", linking_module=linking)
framework = module("element_electrode_localization.coordinate_framework")
modules += [probe, scan, localization, framework]
modules += [
    module(path)
    for path in (
        "element_array_ephys.ephys_report",
        "element_miniscope.miniscope_report",
        "element_calcium_imaging.imaging_report",
    )
]

for each in modules:
    name = each.__name__.partition(".")[2]
    found["tables"][name] = each.schema.is_activated() and len(each.schema.list_tables())

# Rows, in the forms in which the elements' workflows insert them.
lab.Lab.insert1(("LabA", "The Example Lab", "", "UTC+0"))
lab.Device.insert1({"device": "dev1", "modality": "", "description": None}, ignore_extra_fields=True)
subject.Subject.insert1(
    {"subject": "s1", "sex": "F", "subject_birth_date": "2020/01/02", "subject_description": ""}
)
session.Session.insert1({"subject": "s1", "session_datetime": "2021-06-01 10:00:00"})
key = session.Session.fetch1("KEY")
probe.ProbeType.create_neuropixels_probe("neuropixels 1.0 - 3B")
probe.Probe.insert1({"probe": "p1", "probe_type": "neuropixels 1.0 - 3B", "probe_comment": ""})
ephys.ProbeInsertion.insert1({**key, "insertion_number": 1, "probe": "p1"}, ignore_extra_fields=True)
group = {
    "probe_type": "neuropixels 1.0 - 3B",
    "electrode_config_hash": uuid.UUID(int=7),
    "electrode_config_name": "c",
}
probe.ElectrodeConfig.insert1(group)
scan.Scan.insert1(
    {**key, "scan_id": 0, "scanner": "dev1", "acq_software": "ScanImage", "scan_notes": ""},
    ignore_extra_fields=True,
)
imaging.ProcessingParamSet.insert_new_params("suite2p", 0, "defaults", {"fs": 30.0, "nchannels": 1})
found["electrodes"] = len(probe.ProbeType.Electrode())
found["joined"] = len(ephys.ProbeInsertion * probe.Probe * session.Session & subject.Subject)
found["probe"] = (ephys.ProbeInsertion & key).fetch1("probe")
found["params"] = imaging.ProcessingParamSet.fetch1("params")
found["scan"] = (scan.Scan * session.Session).fetch("acq_software", "scan_id", as_dict=True)[0][
    "acq_software"
]
found["config"] = str(probe.ElectrodeConfig.fetch1("electrode_config_hash"))
found["counted"] = session.Session.aggr(scan.Scan, n="count(scan_id)").fetch("n").tolist()
found["frame"] = probe.ProbeType.Electrode.fetch(format="frame").shape[0]
found["array"] = [np.asarray(ephys.AcquisitionSoftware.fetch("acq_software")).size > 0]
diagram = dj.Diagram(session.schema) + dj.Diagram(ephys) + dj.Diagram(scan.schema) + dj.Diagram(imaging)
text = diagram.make_mermaid()
found["drawn"] = [name in text for name in ("ProbeInsertion", "Scan", "ProcessingParamSet")]
above = {table.full_table_name for table in dj.Diagram(ephys.ProbeInsertion) - 9}
found["above"] = sorted(name.strip('`"').partition("er_")[2] for name in above)
(subject.Subject & {"subject": "s1"}).delete()
found["left"] = [
    len(subject.Subject()),
    len(session.Session()),
    len(ephys.ProbeInsertion()),
    len(scan.Scan()),
]
print(json.dumps(found))
