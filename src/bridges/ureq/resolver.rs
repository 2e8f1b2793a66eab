//! `Resolver`.

use std::net::IpAddr;

use ::ureq::Error;
use ::ureq::config::Config;
use ::ureq::http::Uri;
use ::ureq::unversioned::resolver::{self, DefaultResolver, ResolvedSocketAddrs};
use ::ureq::unversioned::transport::NextTimeout;

use crate::to_thread::try_to_thread;

/// Looks names up on a thread of the runtime's pool, so that only the calling coroutine waits.
/// All else is as in ureq's own resolver.
///
/// A look-up is a suspension point, and a cancel waits for its end, or for its timeout. What is
/// an address already needs no look-up. Outside of a runtime a look-up blocks the thread.
#[derive(Debug, Default)]
pub struct Resolver(());

impl resolver::Resolver for Resolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let look_up = |timeout| DefaultResolver::default().resolve(uri, config, timeout);
        if is_address(uri) {
            // Without a limit it starts no thread.
            return look_up(NextTimeout::default());
        }
        try_to_thread(|| Ok(look_up(timeout)))?
    }
}

fn is_address(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
    })
}
