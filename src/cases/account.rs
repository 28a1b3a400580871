//! Is this the Deskie account that our cases are of (rule 11)?
//!
//! An address proves nothing: one account may have several, and another account may take a former one's place. So cases of
//! ours are the witnesses: one that still says which ticket it is, and is the same customer's, proves the account,
//! whatever its address. Where none does, and one contradicts, or the numbers begin anew, it is another account, and
//! everything is held. Witnesses that were deleted in Deskie prove nothing either way.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Cases;
use crate::deskie::{Case, Identity, Outcome};
use crate::lanes::{Class, Cost};
use crate::store::{Claimed, HoldKind, StoreError, Witness};

/// How soon an account that could not be proved is asked about again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What the witnesses say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the account of our cases, or we have none.
    Same,
    /// It is another one, and why.
    Another(String),
    /// It could not be asked, and why.
    Unknown(String),
}

/// What one witness says.
enum Testimony {
    Proves,
    Contradicts(String),
    Absent,
    /// We may not read it.
    Silent,
    Unknown(String),
}

impl Cases {
    /// Asks the witnesses, and holds everything where they say that it is another account. True where it is ours.
    pub(super) async fn account_is_ours(&self) -> Result<bool, StoreError> {
        match self.verify_account().await? {
            Verdict::Same => {
                let here = self.config.deskie.account();
                if self
                    .store
                    .account()
                    .noted()
                    .await?
                    .is_some_and(|noted| noted != here)
                {
                    tracing::warn!("Deskie is at {here} now; it is the same account, as its cases prove");
                }
                self.store.account().note(&here).await?;
                if self.store.holds().lift(HoldKind::Account).await? {
                    tracing::info!("Deskie's account is the one of our cases: sending goes on");
                }
                Ok(true)
            }
            Verdict::Another(why) => {
                let reason = another(&why);
                if self.store.holds().set(HoldKind::Account, &reason).await? {
                    tracing::error!("{reason}");
                }
                Ok(false)
            }
            Verdict::Unknown(why) => {
                tracing::warn!("Deskie's account could not be proved yet, and nothing is sent before: {why}");
                Ok(false)
            }
        }
    }

    /// Whether a page of cases proves the account by itself: one of ours says so, none contradicts, and Deskie is where it
    /// always was.
    pub(super) async fn list_proves(&self, said: &[Claimed]) -> Result<bool, StoreError> {
        let proves = !said.is_empty() && said.iter().all(|claimed| claimed.is_own);
        Ok(proves && self.store.account().noted().await? == Some(self.config.deskie.account()))
    }

    /// While the account is held: asks until it is proved, then ends.
    pub async fn prove_account(&self, cancel: CancellationToken) {
        let proving = async {
            loop {
                match self.account_is_ours().await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::warn!("Deskie's account could not be proved yet: {error}"),
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = proving => {}
        }
    }

    async fn verify_account(&self) -> Result<Verdict, StoreError> {
        let has_moved = self
            .store
            .account()
            .noted()
            .await?
            .is_some_and(|noted| noted != self.config.deskie.account());
        let witnesses = self.store.account().witnesses().await?;
        if witnesses.is_empty() {
            return Ok(Verdict::Same);
        }
        let (mut against, mut absent, mut is_silent) = (None, None, false);
        for witness in &witnesses {
            match self.testimony(witness, has_moved).await? {
                Testimony::Proves => return Ok(Verdict::Same),
                Testimony::Contradicts(why) => against = against.or(Some(why)),
                Testimony::Silent => is_silent = true,
                Testimony::Absent => absent = absent.or(Some(witness.case_id)),
                Testimony::Unknown(why) => return Ok(Verdict::Unknown(why)),
            }
        }
        if let Some(why) = against {
            return Ok(Verdict::Another(why));
        }
        let Some(absent) = absent.filter(|_| has_moved || !is_silent) else {
            return Ok(match has_moved {
                true => Verdict::Unknown("none of the connector's cases may be read there".into()),
                false => Verdict::Same,
            });
        };
        if has_moved {
            return Ok(Verdict::Another(format!("it knows no case {absent}")));
        }
        // All of them may have been deleted, but then younger numbers are larger.
        let newest = match self.newest_cases(1).await {
            Ok(newest) => newest.iter().map(|case| case.case_id).max(),
            Err(error) => return Ok(Verdict::Unknown(error.to_string())),
        };
        let known = self.store.account().newest_case().await?;
        Ok(match newest < known {
            true => Verdict::Another(format!(
                "it knows no case {absent}, and its newest one has a smaller number than ours"
            )),
            false => Verdict::Same,
        })
    }

    async fn testimony(&self, witness: &Witness, has_moved: bool) -> Result<Testimony, StoreError> {
        let call = self.meter.acquire(Class::WebhookRead, Cost::Read).await;
        let answer = self.client.case(witness.case_id).await;
        self.meter.settle(call, &answer);
        let case = match answer {
            Ok(answer) => answer.value,
            Err(error) if error.is_case_not_found() => return Ok(Testimony::Absent),
            Err(error) if error.outcome() == Outcome::Refused => return Ok(Testimony::Silent),
            Err(error) => return Ok(Testimony::Unknown(error.to_string())),
        };
        let claims = case.claims(self.config.deskie.ticket_field);
        if let Some(other) = claims.filter(|claims| !self.config.deskie.is_claim_of(claims, &witness.claim)) {
            return Ok(Testimony::Contradicts(format!(
                "case {} is of the ticket {} here, and of {other} there",
                witness.case_id, witness.key
            )));
        }
        // At an address that was always ours, what the case says of itself is enough.
        if claims.is_some() && !has_moved {
            return Ok(Testimony::Proves);
        }
        Ok(match self.is_same_customer(witness, &case).await? {
            Ok(true) => Testimony::Proves,
            Ok(false) => Testimony::Contradicts(format!(
                "case {} is another customer's there than that of the ticket {}",
                witness.case_id, witness.key
            )),
            Err(error) => Testimony::Unknown(error.to_string()),
        })
    }

    async fn is_same_customer(
        &self,
        witness: &Witness,
        case: &Case,
    ) -> Result<Result<bool, crate::deskie::CallError>, StoreError> {
        let Some(opening) = self.store.deliveries().opening(witness.ticket_id).await? else {
            return Ok(Ok(case.user_id == witness.user_id));
        };
        let identity = Identity {
            email: opening.email.as_deref(),
            phone: opening.phone.as_deref(),
            custom_id: opening.custom_id.as_deref(),
        };
        Ok(case
            .is_of(identity, &self.client, &self.meter, Class::WebhookRead)
            .await)
    }
}

/// What a person is told.
fn another(why: &str) -> String {
    format!(
        "this is another Deskie account than that of the connector's cases, or one that has forgotten them: {why}. Nothing \
         is sent to it or written from it. If it is to take over, run `deskie-cdc setup --adopt`: the known tickets then get \
         new cases; else put the former [deskie] url back"
    )
}
