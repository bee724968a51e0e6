//! What this machine is called, what its processor can do, and how much memory is in use.

#[cfg(unix)]
use sysinfo::UpdateKind;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// The machine's name, as messages about other processes give it.
#[must_use]
pub fn host() -> String {
    System::host_name().unwrap_or_else(|| "unknown host".to_owned())
}

/// The number of the user whose rights this process has; `None` where the system does not
/// tell.
#[cfg(unix)]
#[must_use]
pub fn user() -> Option<u32> {
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[process]),
        false,
        ProcessRefreshKind::nothing()
            .with_user(UpdateKind::Always)
            .without_tasks(),
    );
    let process = system.process(process)?;
    process.effective_user_id().map(|user| **user)
}

/// Memory of this process that is in RAM, in bytes; `None` where the system does not tell.
#[must_use]
pub fn resident_memory() -> Option<u64> {
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[process]),
        false,
        ProcessRefreshKind::nothing().with_memory().without_tasks(),
    );
    system.process(process).map(sysinfo::Process::memory)
}

/// Most memory of this process that was in RAM at any time, in bytes; `None` where the
/// system does not tell.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Memory that processes can still take without any being moved out, in bytes: the machine's,
/// or what the control group of this process leaves; `None` where the system does not tell.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    let machine = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    // Not what the group counts as free: files that the system keeps in memory can go.
    let group = system.cgroup_limits();
    let group = group.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    machine.into_iter().chain(group).min()
}

/// Processor features that arithmetic may be done with here, by their usual names.
///
/// Results are claimed to be bit-identical only between machines where this list is equal.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn processor_features() -> Vec<String> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::is_x86_feature_detected!($name))),*]
        };
    }
    listed(&present!(
        "sse4.1",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512vnni",
        "avx512bf16",
        "avx512fp16"
    ))
}

/// Processor features that arithmetic may be done with here, by their usual names.
///
/// Results are claimed to be bit-identical only between machines where this list is equal.
#[cfg(target_arch = "aarch64")]
#[must_use]
pub fn processor_features() -> Vec<String> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::arch::is_aarch64_feature_detected!($name))),*]
        };
    }
    listed(&present!(
        "neon", "fp16", "dotprod", "bf16", "i8mm", "sve", "sve2"
    ))
}

/// Processor features that arithmetic may be done with here: the architecture alone.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[must_use]
pub fn processor_features() -> Vec<String> {
    listed(&[(std::env::consts::ARCH, true)])
}

fn listed(features: &[(&str, bool)]) -> Vec<String> {
    let present = features.iter().filter(|(_, present)| *present);
    present.map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_grows_with_what_is_written_to() {
        const MIB: usize = 1 << 20;
        let before = resident_memory();
        let block = std::hint::black_box(vec![1_u8; 64 * MIB]);
        let after = resident_memory();
        let growth = after
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        // Other tests run beside this one.
        assert!(
            growth.is_some_and(|growth| growth > 32 * MIB as u64),
            "{growth:?} bytes"
        );
        drop(block);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn host_and_features_are_those_that_linux_tells() -> std::io::Result<()> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
        assert_eq!(host(), name.trim());
        let processor = std::fs::read_to_string("/proc/cpuinfo")?;
        let told = |name: &str| processor.split_whitespace().any(|word| word == name);
        for name in ["avx2", "fma", "avx512f"] {
            let detected = processor_features().iter().any(|feature| feature == name);
            assert_eq!(
                detected,
                cfg!(target_arch = "x86_64") && told(name),
                "{name}"
            );
        }
        Ok(())
    }
}
