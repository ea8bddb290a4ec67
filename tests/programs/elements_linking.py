"""What DataJoint Elements ask of a pipeline: the tables of others that they refer to. Nothing of Lodestore is named."""

from element_animal import subject
from element_animal.subject import Subject  # noqa: F401
from element_event import event, trial  # noqa: F401
from element_lab import lab
from element_lab.lab import Device, Lab, Location, Project, Protocol, Source, User  # noqa: F401
from element_session import session_with_datetime as session
from element_session.session_with_datetime import Session  # noqa: F401

Equipment = Device
Experimenter = lab.User
Strain = subject.Strain


def get_experiment_root_data_dir():
    return "."


def get_session_directory(session_key):
    return (session.SessionDirectory & session_key).fetch1("session_dir")
