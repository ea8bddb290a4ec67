//! Where a job stands.

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Waits for a worker.
    Pending,
    /// A worker has it.
    Reserved,
    /// Done, and kept by the setting `jobs.keep_completed`; other jobs are deleted when they are done.
    Success,
    /// Its computation failed; it waits for a person.
    Error,
    /// Not to be computed.
    Ignore,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [JobStatus; 5] =
        [JobStatus::Pending, JobStatus::Reserved, JobStatus::Success, JobStatus::Error, JobStatus::Ignore];

    /// The word in the table.
    pub fn name(self) -> &'static str {
        match self {
            JobStatus::Pending => "pending",
            JobStatus::Reserved => "reserved",
            JobStatus::Success => "success",
            JobStatus::Error => "error",
            JobStatus::Ignore => "ignore",
        }
    }
}

/// How many jobs there are of each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts([u64; 5]);

impl JobCounts {
    /// Those of one status.
    pub fn of(&self, status: JobStatus) -> u64 {
        self.0[status as usize]
    }

    /// All jobs.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, name: &str, count: u64) {
        if let Some(status) = JobStatus::ALL.iter().find(|status| status.name() == name) {
            self.0[*status as usize] += count;
        }
    }
}
