//! Ten schemas of 3 to 300 tables, written as one line for each table: its name, its tier, and its parents, with `!` for
//! a one-to-one foreign key, `?` for a secondary one, and `~attribute` for a renamed one.

use std::collections::HashMap;

use lodestore_diagram::{Diagram, Direction, Edge, Group, Kind, Line, Node};

pub fn all() -> Vec<(&'static str, Diagram)> {
    vec![
        ("three", read(THREE)),
        ("lab", read(LAB)),
        ("renamed", read(RENAMED)),
        ("chain", chain(20)),
        ("fan", fan(40)),
        ("imaging", read(&format!("{CORE}{IMAGING}"))),
        ("ephys", read(&format!("{CORE}{EPHYS}"))),
        ("collapsed", collapsed()),
        ("random_100", random(100, 2)),
        ("random_300", random(300, 6)),
    ]
}

pub fn turned(diagram: &Diagram) -> Diagram {
    Diagram { direction: Direction::TopToBottom, ..diagram.clone() }
}

const THREE: &str = "
lab.Mouse M
lab.Session M : Mouse
lab.Mean C : Session!
";

const LAB: &str = "
lab.Lab L
lab.User L : Lab?
lab.Species L
lab.Strain L : Species
lab.Subject M : Strain? Lab?
lab.Subject.Death P : Subject!
lab.Weighing M : Subject User?
lab.Rig L : Lab
lab.Session M : Subject Rig?
lab.Session.Experimenter P : Session User
lab.Session.Note P : Session
lab.Task L
lab.TaskProtocol L : Task
lab.BehaviorTrial I : Session TaskProtocol?
lab.BehaviorTrial.Event P : BehaviorTrial
lab.TrialOutcome C : BehaviorTrial!
lab.PerformanceMethod L
lab.Performance C : Session PerformanceMethod
";

const RENAMED: &str = "
lab.Person L
lab.Session M : Person?~operator Person?~analyst
lab.Pair M : Session~first Session~second
lab.Unit I : Session
lab.Unit.Spike P : Unit
lab.Registration C : Unit~source Unit~target
lab.Registration.Point P : Registration
lab.Quality C : Unit Pair
lab.Tracked C : Quality! Registration?
lab.Report C : Tracked Pair?
lab.Archive M : Archive?~previous Report?
";

const CORE: &str = "
lab.Lab L
lab.Location L : Lab
lab.User L
lab.Protocol L
lab.ProtocolType L
subject.Species L
subject.Strain L : Species
subject.Subject M
subject.Subject.Strain P : Subject Strain
subject.Subject.Source P : Subject! Lab?
subject.SubjectDeath M : Subject!
subject.Zygosity M : Subject Strain
session.Session M : Subject
session.Session.Directory P : Session!
session.Session.Experimenter P : Session User
session.Session.Note P : Session!
session.ProjectSession M : Session Lab
";

const IMAGING: &str = "
scan.AcquisitionSoftware L
scan.Channel L
scan.Scan M : Session Location? AcquisitionSoftware?
scan.Scan.Indicator P : Scan
scan.ScanLocation M : Scan! Location?
scan.ScanInfo I : Scan!
scan.ScanInfo.Field P : ScanInfo
scan.ScanInfo.ScanFile P : ScanInfo
scan.ScanQualityMetrics C : ScanInfo.Field
imaging.ProcessingMethod L
imaging.ProcessingParamSet L : ProcessingMethod?
imaging.CellCompartment L
imaging.MaskType L
imaging.ProcessingTask M : Scan ProcessingParamSet
imaging.Processing C : ProcessingTask!
imaging.Processing.File P : Processing
imaging.Curation M : Processing
imaging.MotionCorrection I : Curation! Channel?~motion_correct_channel
imaging.MotionCorrection.RigidMotionCorrection P : MotionCorrection!
imaging.MotionCorrection.NonRigidMotionCorrection P : MotionCorrection!
imaging.MotionCorrection.Block P : MotionCorrection.NonRigidMotionCorrection
imaging.MotionCorrection.Summary P : MotionCorrection ScanInfo.Field
imaging.Segmentation C : Curation!
imaging.Segmentation.Mask P : Segmentation Channel?~segmentation_channel
imaging.MaskClassificationMethod L
imaging.MaskClassification C : Segmentation MaskClassificationMethod
imaging.MaskClassification.MaskType P : MaskClassification Segmentation.Mask MaskType?
imaging.Fluorescence C : Segmentation!
imaging.Fluorescence.Trace P : Fluorescence Segmentation.Mask Channel~fluo_channel
imaging.ActivityExtractionMethod L
imaging.Activity C : Fluorescence ActivityExtractionMethod
imaging.Activity.Trace P : Activity Fluorescence.Trace
imaging.ProcessingQualityMetrics C : Fluorescence!
imaging.ProcessingQualityMetrics.Mask P : ProcessingQualityMetrics Segmentation.Mask
imaging.ProcessingQualityMetrics.Trace P : ProcessingQualityMetrics Fluorescence.Trace
";

const EPHYS: &str = "
probe.ProbeType L
probe.ProbeType.Electrode P : ProbeType
probe.Probe L : ProbeType?
probe.ElectrodeConfig L : ProbeType?
probe.ElectrodeConfig.Electrode P : ElectrodeConfig ProbeType.Electrode
ephys.AcquisitionSoftware L
ephys.ProbeInsertion M : Session Probe?
ephys.SkullReference L
ephys.InsertionLocation M : ProbeInsertion! SkullReference?
ephys.EphysRecording I : ProbeInsertion! ElectrodeConfig? AcquisitionSoftware?
ephys.EphysRecording.EphysFile P : EphysRecording
ephys.LFP I : EphysRecording!
ephys.LFP.Electrode P : LFP ElectrodeConfig.Electrode
ephys.ClusteringMethod L
ephys.ClusteringParamSet L : ClusteringMethod?
ephys.ClusterQualityLabel L
ephys.ClusteringTask M : EphysRecording ClusteringParamSet
ephys.Clustering I : ClusteringTask!
ephys.Curation M : Clustering
ephys.CuratedClustering I : Curation!
ephys.CuratedClustering.Unit P : CuratedClustering ElectrodeConfig.Electrode? ClusterQualityLabel?
ephys.WaveformSet I : CuratedClustering!
ephys.WaveformSet.PeakWaveform P : WaveformSet CuratedClustering.Unit
ephys.WaveformSet.Waveform P : WaveformSet CuratedClustering.Unit ElectrodeConfig.Electrode
ephys.QualityMetrics I : CuratedClustering!
ephys.QualityMetrics.Cluster P : QualityMetrics CuratedClustering.Unit
ephys.QualityMetrics.Waveform P : QualityMetrics CuratedClustering.Unit
";

/// Reads the notation. A parent without a schema is the last table of that name before.
pub fn read(text: &str) -> Diagram {
    let mut diagram = Diagram::default();
    let mut known: HashMap<String, usize> = HashMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (head, parents) = line.split_once(" : ").unwrap_or((line, ""));
        let (name, tier) = head.split_once(' ').unwrap();
        let (schema, class) = name.split_once('.').unwrap();
        let kind = match tier {
            "M" => Kind::Manual,
            "L" => Kind::Lookup,
            "I" => Kind::Imported,
            "C" => Kind::Computed,
            "P" => Kind::Part,
            "S" => Kind::Collapsed,
            _ => Kind::Other,
        };
        let group = (kind != Kind::Collapsed).then(|| group(&mut diagram, schema));
        let child = diagram.nodes.len();
        let label = class.rsplit('.').next().unwrap().to_owned();
        let master = (kind == Kind::Part).then(|| known[class.rsplit_once('.').unwrap().0]);
        let mut adds_key = parents.is_empty();
        known.insert(class.to_owned(), child);
        for text in parents.split(' ').filter(|text| !text.is_empty()) {
            let (text, renamed) = match text.split_once('~') {
                Some((text, own)) => (text, vec![(own.to_owned(), "id".to_owned())]),
                None => (text, Vec::new()),
            };
            let bare = text.trim_end_matches(['!', '?']);
            let line = match &text[bare.len()..] {
                "!" => Line::OneToOne,
                "?" => Line::Secondary,
                _ => Line::InKey,
            };
            adds_key |= line == Line::InKey && parents.split(' ').count() == 1;
            diagram.edges.push(Edge { parent: known[bare], child, line, renamed });
        }
        let details = format!("{name}\nid : int32\n---\nvalue : float64");
        diagram.nodes.push(Node { name: name.to_owned(), label, kind, group, master, adds_key, details });
    }
    diagram
}

fn group(diagram: &mut Diagram, schema: &str) -> usize {
    let found = diagram.groups.iter().position(|group| group.name == schema);
    found.unwrap_or_else(|| {
        diagram.groups.push(Group { name: schema.to_owned(), title: schema.to_owned() });
        diagram.groups.len() - 1
    })
}

/// Each table depends on the one before.
pub fn chain(count: usize) -> Diagram {
    let line = |n: usize| match n {
        0 => "chain.Step0 M\n".to_owned(),
        _ => format!("chain.Step{n} C : Step{}{}\n", n - 1, if n.is_multiple_of(3) { "!" } else { "" }),
    };
    read(&(0..count).map(line).collect::<String>())
}

/// Many tables depend on one.
pub fn fan(count: usize) -> Diagram {
    let names = ["MeanRate", "TuningCurve", "ReceptiveField", "LatencyHistogram", "CrossCorrelation"];
    let line =
        |n: usize| format!("fan.{}{n} C : Recording{}\n", names[n % 5], if n.is_multiple_of(4) { "!" } else { "" });
    read(&("fan.Recording I\n".to_owned() + &(0..count).map(line).collect::<String>()))
}

/// Two schemas of which only one node each is shown, next to others.
fn collapsed() -> Diagram {
    let mut diagram = read(
        "
lab.lab_(5_tables) S
subject.subject_(7_tables) S
session.Session M
session.Session.Directory P : Session!
session.Session.Note P : Session!
ephys.ProbeInsertion M : Session
ephys.EphysRecording I : ProbeInsertion!
ephys.Clustering C : EphysRecording
ephys.CuratedClustering C : Clustering!
ephys.CuratedClustering.Unit P : CuratedClustering
report.report_(23_tables) S
",
    );
    let at = |name: &str| diagram.nodes.iter().position(|node| node.name.ends_with(name)).unwrap();
    let pairs = [
        (at("lab_(5_tables)"), at("subject_(7_tables)"), Line::OneToOne),
        (at("subject_(7_tables)"), at(".Session"), Line::InKey),
        (at("lab_(5_tables)"), at("EphysRecording"), Line::Secondary),
        (at(".Unit"), at("report_(23_tables)"), Line::InKey),
        (at(".Session"), at("report_(23_tables)"), Line::InKey),
    ];
    diagram.edges.extend(pairs.map(|(parent, child, line)| Edge { parent, child, line, renamed: Vec::new() }));
    diagram.nodes.iter_mut().for_each(|node| node.label = node.label.replace('_', " "));
    diagram
}

/// A pipeline of several schemas as labs have them: most tables depend on a recent one, some on an old one.
pub fn random(count: usize, schemas: usize) -> Diagram {
    let words =
        ["Spike", "Trace", "Mask", "Field", "Event", "Trial", "Frame", "Probe", "Unit", "Pose", "Video", "Lick"];
    let forms = ["Set", "Detection", "", "Summary", "Quality", "Alignment", "Selection", "Model"];
    let mut state = count as u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below.max(1)
    };
    let mut text = String::new();
    let mut classes: Vec<(String, bool)> = Vec::new();
    let mut masters = 0;
    for n in 0..count {
        let schema = (n * schemas / count + if next(8) == 0 { next(2) } else { 0 }).min(schemas - 1);
        if n > 3 && next(5) == 0 && masters > 0 && !classes[masters].0.contains('.') {
            let (master, _) = classes[masters].clone();
            let (schema, master) = master.split_once('/').unwrap();
            text += &format!("{schema}.{master}.Part{n} P : {master}\n");
            continue;
        }
        let class = format!("{}{}{n}", words[next(words.len())], forms[next(forms.len())]);
        let tier = if n < 4 { "L" } else { ["M", "I", "C", "C", "C", "L"][next(6)] };
        let mut parents: Vec<String> = Vec::new();
        for _ in 0..if tier == "L" { next(2) } else { 1 + next(3) * next(2) } {
            let far = if next(6) == 0 { classes.len() } else { classes.len().min(14) };
            if far > 0 {
                let class = classes[classes.len() - 1 - next(far)].0.split_once('/').unwrap().1.to_owned();
                if !parents.iter().any(|parent| parent.trim_end_matches(['!', '?']) == class) {
                    parents.push(class + ["", "", "!", "?"][next(4)]);
                }
            }
        }
        text += &format!("s{schema}.{class} {tier}");
        if !parents.is_empty() {
            text += &format!(" : {}", parents.join(" "));
        }
        text += "\n";
        masters = classes.len();
        classes.push((format!("s{schema}/{class}"), false));
    }
    read(&text)
}
