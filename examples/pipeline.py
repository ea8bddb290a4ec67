"""A pipeline on real recordings, from files to a picture.

    python examples/pipeline.py [FOLDER]

Takes the recordings that come with matplotlib (a membrane potential, an EEG, a slice of an MRI
scan) through four steps: subjects and sessions are entered by hand, recordings are imported from
their files, features are computed from them, and a picture shows both. Everything ends up in
FOLDER (``demo-output``): an embedded database, a folder of objects, and the picture. Run it again,
and nothing is computed twice.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

import lodestore as dj

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
SAMPLES = "mpl-data/sample_data"

project = dj.Instance(path=FOLDER)
schema = project.Schema("physiology")


@schema
class Subject(dj.Manual):
    definition = """
    # who was recorded
    subject_id : int32          # counts from 1
    ---
    species : varchar(40)
    note = '' : varchar(200)
    """


@schema
class Session(dj.Manual):
    definition = """
    # one recording of a subject
    -> Subject
    session : int16             # counts from 1 for each subject
    ---
    modality : enum('membrane', 'eeg', 'mri')
    source : varchar(100)       # file in matplotlib's sample data
    """


@schema
class Method(dj.Lookup):
    definition = """
    # how features are computed
    method : varchar(20)
    ---
    parameters : <blob>         # a small Python object, kept in the table
    """
    contents = (
        ("spikes", {"threshold": -0.2, "refractory": 0.002}),
        ("spectrum", {"highest": 40.0}),
        ("histogram", {"bins": 64}),
    )


@schema
class Recording(dj.Imported):
    definition = """
    # what the file holds
    -> Session
    ---
    rate = null : float64       # samples per second; none for an image
    unit : varchar(10)
    samples : <npy@>            # the array itself, a .npy file in the store
    """

    def make(self, key):
        modality, source = (Session & key).fetch1("modality", "source")
        path = sample_folder() / source
        match modality:
            case "membrane":
                row = {"rate": 2000.0, "unit": "a.u.", "samples": np.fromfile(path, np.float32)}
            case "eeg":
                row = {"rate": 80.0, "unit": "uV", "samples": np.fromfile(path, np.float64).reshape(800, 4)}
            case "mri":
                pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint16).reshape(256, 256)
                row = {"unit": "counts", "samples": pixels}
        self.insert1({**key, **row})


@schema
class Feature(dj.Computed):
    definition = """
    # what a method finds in a recording
    -> Recording
    -> Method
    ---
    summary : varchar(100)
    result : <blob@>            # a larger Python object, kept in the store by its hash
    """

    @property
    def key_source(self):
        """Each recording with the method that suits it."""
        suits = (("membrane", "spikes"), ("eeg", "spectrum"), ("mri", "histogram"))
        pairs = [f"(modality = '{modality}' AND method = '{method}')" for modality, method in suits]
        return (Recording.proj() * Session.proj("modality") * Method.proj()) & " OR ".join(pairs)

    def make(self, key):
        samples, rate = (Recording & key).fetch1("samples", "rate")
        parameters = (Method & key).fetch1("parameters")
        summary, result = METHODS[key["method"]](samples.load(), rate, **parameters)
        self.insert1({**key, "summary": summary, "result": result})


def find_spikes(trace, rate, threshold, refractory):
    """The moments at which the potential rises through the threshold."""
    rising = np.flatnonzero((trace[:-1] < threshold) & (trace[1:] >= threshold)) + 1
    apart = np.diff(rising, prepend=-np.inf) > refractory * rate
    times = rising[apart] / rate
    return f"{len(times)} spikes in {len(trace) / rate:g} s", {"times": times, "threshold": threshold}


def find_spectrum(traces, rate, highest):
    """The power of each channel by frequency."""
    power = np.abs(np.fft.rfft(traces - traces.mean(axis=0), axis=0)) ** 2 / len(traces)
    frequency = np.fft.rfftfreq(len(traces), 1 / rate)
    shown = (frequency > 0) & (frequency <= highest)
    peak = frequency[shown][power[shown].mean(axis=1).argmax()]
    return f"most power at {peak:.1f} Hz", {"frequency": frequency[shown], "power": power[shown]}


def find_histogram(image, rate, bins):
    """How often each brightness occurs."""
    counts, edges = np.histogram(image, bins)
    return f"{np.mean(image > 2000):.0%} of the pixels show tissue", {"counts": counts, "edges": edges}


METHODS = {"spikes": find_spikes, "spectrum": find_spectrum, "histogram": find_histogram}


def sample_folder():
    import matplotlib

    return Path(matplotlib.__file__).parent / SAMPLES


def step(title):
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n== {title}")


def main():
    step("1. Enter subjects and sessions by hand (Manual)")
    Subject.insert(
        [
            {"subject_id": 1, "species": "rat", "note": "a neuron in a dish"},
            {"subject_id": 2, "species": "human"},
        ],
        skip_duplicates=True,
    )
    Session.insert(
        [
            {"subject_id": 1, "session": 1, "modality": "membrane", "source": "membrane.dat"},
            {"subject_id": 2, "session": 1, "modality": "eeg", "source": "eeg.dat"},
            {"subject_id": 2, "session": 2, "modality": "mri", "source": "s1045.ima.gz"},
        ],
        skip_duplicates=True,
    )
    print(Session())

    step("2. Import the recordings from their files (Imported)")
    print(f"Recording.populate() -> {Recording.populate()}")
    print(Recording())

    step("3. Compute features from them (Computed)")
    print(f"Feature.populate() -> {Feature.populate()}")
    print(Feature())

    step("4. Where the objects lie")
    for path in sorted(p for p in (FOLDER / "objects").rglob("*") if p.is_file()):
        print(f"{path.stat().st_size:>9,} bytes  {path}")

    step("5. Read part of an array: fetching it reads nothing, slicing it reads the slice")
    trace = (Recording & {"subject_id": 1}).fetch1("samples")
    print(f"trace              -> {trace}, {trace.bytes_read} of {trace.nbytes:,} bytes read")
    part = trace[1000:1010]
    print(
        f"trace[1000:1010]   -> {part.dtype} {part.shape}, {trace.bytes_read} of {trace.nbytes:,} bytes read"
    )

    step("6. A picture of it")
    print(draw(FOLDER / "features.png"))

    step("Type next")
    print(f"""  {sys.executable} -q
  >>> import lodestore as dj; lab = dj.Instance(path="{FOLDER}").Schema("physiology")
  >>> lab["Feature"].to_dicts()""")


def draw(path):
    """Recordings above, what was found in them below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 6), layout="constrained")
    found = {row["method"]: row for row in Feature.to_dicts()}
    arrays = {name: (Recording & row).fetch1("samples").load() for name, row in found.items()}

    trace, spikes = arrays["spikes"], found["spikes"]["result"]
    time = np.arange(len(trace)) / 2000
    axes[0, 0].plot(time, trace, linewidth=0.5)
    axes[1, 0].eventplot(spikes["times"], linewidths=0.5)
    axes[1, 0].set(xlabel="time (s)", yticks=[])

    axes[0, 1].plot(np.arange(800) / 80, arrays["spectrum"] + 12 * np.arange(4), linewidth=0.6)
    spectrum = found["spectrum"]["result"]
    axes[1, 1].semilogy(spectrum["frequency"], spectrum["power"], linewidth=0.8)
    axes[1, 1].set(xlabel="frequency (Hz)")

    axes[0, 2].imshow(arrays["histogram"], cmap="gray")
    histogram = found["histogram"]["result"]
    axes[1, 2].stairs(histogram["counts"], histogram["edges"], fill=True)
    axes[1, 2].set(xlabel="brightness", yscale="log")

    for column, (title, method) in enumerate(
        [("membrane potential", "spikes"), ("EEG", "spectrum"), ("MRI slice", "histogram")]
    ):
        axes[0, column].set_title(title)
        axes[1, column].set_title(found[method]["summary"])
    figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    main()
