//! A pipeline in Rust: sessions by hand, recordings imported, features computed.
//!
//! ```sh
//! cargo run -p lodestore --example pipeline [FOLDER]
//! ```
//!
//! The project is kept in FOLDER, and nothing is computed twice; without one it is temporary.

use lodestore::{Index, Instance, NdArray, NpyRef, Result, Row, Tier, row};

fn main() -> Result<()> {
    let temporary = std::env::temp_dir().join(format!("lodestore-example-{}", std::process::id()));
    let chosen = std::env::args_os().nth(1).map(std::path::PathBuf::from);
    let outcome = pipeline(chosen.as_deref().unwrap_or(&temporary));
    if chosen.is_none() {
        let _ = std::fs::remove_dir_all(&temporary);
    }
    outcome
}

fn pipeline(folder: &std::path::Path) -> Result<()> {
    let instance = Instance::embedded(folder)?;
    let lab = instance.schema("lab")?;

    let session = lab.declare(
        "Session",
        Tier::Manual,
        "
        # an hour with one subject
        session_id : int32      # counts from 1
        ---
        subject : varchar(40)
        heart_rate : float64    # beats per minute, as counted by hand
        ",
    )?;
    let recording = lab.declare(
        "Recording",
        Tier::Imported,
        "
        # what the electrodes gave
        -> Session
        ---
        rate : float64          # samples per second
        trace : <npy@>
        ",
    )?;
    let beats = lab.declare(
        "Beats",
        Tier::Computed,
        "
        # the beats found in a recording
        -> Recording
        ---
        count : int32
        times : <blob@>         # seconds
        ",
    )?;

    let sessions = [(1, "ada", 60.0), (2, "ben", 84.0)];
    for (id, subject, heart_rate) in sessions {
        let row = row! { "session_id" => id, "subject" => subject, "heart_rate" => heart_rate };
        if session.restrict(row! { "session_id" => id })?.is_empty()? {
            session.insert1(row)?;
        }
    }

    recording.populate(|key| {
        let heart_rate = session.restrict(key)?.fetch1()?.value("heart_rate")?.as_f64().unwrap_or_default();
        recording.insert1(key.clone().with("rate", 250.0).with("trace", record(heart_rate, 250.0)))
    })?;

    let report = beats.populate(|key| {
        let row = recording.restrict(key)?.fetch1()?;
        let rate = row.value("rate")?.as_f64().unwrap_or(1.0);
        let trace = NpyRef::from_value(&instance, row.value("trace")?)?.load()?.to_f64().unwrap_or_default();
        let times: Vec<f64> = peaks(&trace).map(|sample| sample as f64 / rate).collect();
        beats.insert1(key.clone().with("count", times.len() as i64).with("times", NdArray::from_f64(&times)))
    })?;
    println!("{} computed, {} there already", report.success_count, beats.len()? - report.success_count);

    for row in beats.join(&session)?.fetch()? {
        println!(
            "{}: {} beats in ten seconds, {} counted in a minute",
            text(&row, "subject")?,
            row.value("count")?,
            row.value("heart_rate")?
        );
    }
    let first = recording.restrict("session_id = 1")?.fetch1()?;
    let trace = NpyRef::from_value(&instance, first.value("trace")?)?;
    let part = trace.slice(&[Index::Range { start: Some(0), stop: Some(250), step: 1 }])?;
    println!("one second of {} samples: {} of {} bytes read", trace.shape()[0], trace.bytes_read(), trace.nbytes());
    debug_assert_eq!(part.shape(), [250]);
    Ok(())
}

/// Ten seconds of a heart that beats so often, with a hum below it.
fn record(per_minute: f64, rate: f64) -> NdArray {
    let sample = |n: u32| {
        let time = f64::from(n) / rate;
        let phase = (time * per_minute / 60.0).fract();
        (-((phase - 0.5) / 0.02).powi(2)).exp() + 0.05 * (time * 50.0).sin()
    };
    NdArray::from_f64(&(0..(10.0 * rate) as u32).map(sample).collect::<Vec<_>>())
}

/// The samples that are higher than half, and than both their neighbours.
fn peaks(trace: &[f64]) -> impl Iterator<Item = usize> + '_ {
    let is_peak = |part: &[f64]| part[1] > 0.5 && part[1] >= part[0] && part[1] > part[2];
    trace.windows(3).enumerate().filter(move |(_, part)| is_peak(part)).map(|(start, _)| start + 1)
}

fn text<'a>(row: &'a Row, name: &str) -> Result<&'a str> {
    Ok(row.value(name)?.as_str().unwrap_or_default())
}
