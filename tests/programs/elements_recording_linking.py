"""What the DataJoint Elements of recordings ask of a pipeline. Nothing of Lodestore is named."""

from element_animal import subject
from element_animal.subject import Subject  # noqa: F401
from element_animal.surgery import Implantation  # noqa: F401
from element_event import event, trial  # noqa: F401
from element_lab import lab
from element_lab.lab import Device, Lab, Location, Project, Protocol, Source, User  # noqa: F401
from element_session import session_with_datetime as session
from element_session.session_with_datetime import Session  # noqa: F401

SkullReference = AnatomicalLocation = lab.Location
Equipment = Device
Experimenter = Surgeon = lab.User
Strain = subject.Strain


def root():
    return "."


get_experiment_root_data_dir = get_ephys_root_data_dir = get_imaging_root_data_dir = root
get_miniscope_root_data_dir = get_dlc_root_data_dir = get_facemap_root_data_dir = root
get_volume_root_data_dir = get_processed_root_data_dir = root


def get_session_directory(session_key):
    return (session.SessionDirectory & session_key).fetch1("session_dir")


def nothing(*_):
    return None


get_image_files = get_calcium_imaging_files = get_facemap_video_files = nothing
get_volume_tif_file = get_electrode_localization_dir = nothing
