//! What was signed: the authority's statements, approvals, tickets. Kept as they came; who reads them checks them again.

use sqlx::Row;

use super::{Store, StoreError, Tx, from_json, to_json, unless_taken};
use crate::domain::approval::{Certificate, Ticket};
use crate::domain::ids::{AreaCode, BulletinId, KeyId, TicketId};
use crate::protocol::envelope::Envelope;

/// What the authority says to the whole site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    TrustList,
    Succession,
}

impl Said {
    fn as_str(self) -> &'static str {
        match self {
            Self::TrustList => "trust",
            Self::Succession => "succession",
        }
    }
}

/// All that a new authority has signed anew, stored together or not at all.
#[derive(Debug)]
pub struct Handover {
    pub succession: (u64, Envelope),
    pub trust: (u64, Envelope),
    pub certificates: Vec<(Envelope, Certificate)>,
    pub hours: Vec<(AreaCode, Envelope)>,
}

impl Store {
    /// Every statement of one kind, oldest first.
    pub async fn said(&self, kind: Said) -> Result<Vec<Envelope>, StoreError> {
        let rows = sqlx::query("select envelope from authority_statements where kind = $1 order by number")
            .bind(kind.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| from_json(&row.try_get::<String, _>(0)?)).collect()
    }

    /// Keeps a statement that was checked; one with the same number is there already.
    pub async fn say(&self, kind: Said, number: u64, envelope: &Envelope, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        say(&mut tx, kind, number, envelope, now_ms).await?;
        Ok(tx.commit().await?)
    }

    /// One authority follows another.
    pub async fn hand_over(&self, handover: &Handover, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let (number, succession) = &handover.succession;
        say(&mut tx, Said::Succession, *number, succession, now_ms).await?;
        let (version, trust) = &handover.trust;
        say(&mut tx, Said::TrustList, *version, trust, now_ms).await?;
        for (envelope, certificate) in &handover.certificates {
            super::people::put_certificate(&mut tx, envelope, certificate, now_ms).await?;
        }
        for (area, envelope) in &handover.hours {
            sqlx::query("update areas set hours = $1 where code = $2")
                .bind(to_json(envelope)?)
                .bind(area.as_str())
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// The signed approvals of every bulletin, by bulletin and revision.
    pub async fn approvals(&self) -> Result<Vec<(BulletinId, u32, Envelope)>, StoreError> {
        let rows = sqlx::query(
            "select bulletin, revision, envelope from approvals order by bulletin, revision, added_ms, approver",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(approval).collect()
    }

    pub async fn approvals_of(&self, bulletin: &BulletinId) -> Result<Vec<(BulletinId, u32, Envelope)>, StoreError> {
        let rows = sqlx::query(
            "select bulletin, revision, envelope from approvals where bulletin = $1 order by revision, added_ms, approver",
        )
        .bind(bulletin.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(approval).collect()
    }

    /// The approvals of the bulletins from `first` to `last` in order of id: of a page of them.
    pub async fn approvals_between(
        &self,
        first: &BulletinId,
        last: &BulletinId,
    ) -> Result<Vec<(BulletinId, u32, Envelope)>, StoreError> {
        let rows = sqlx::query(
            "select bulletin, revision, envelope from approvals where bulletin >= $1 and bulletin <= $2 \
             order by bulletin, revision, added_ms, approver",
        )
        .bind(first.as_str())
        .bind(last.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(approval).collect()
    }

    /// Keeps a ticket whose signature was checked.
    pub async fn add_ticket(&self, envelope: &Envelope, ticket: &Ticket, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "insert into tickets (id, approver, valid_until_ms, envelope, added_ms) values ($1, $2, $3, $4, $5)",
        )
        .bind(ticket.ticket.as_str())
        .bind(ticket.approver.as_str())
        .bind(ticket.valid_until_ms)
        .bind(to_json(envelope)?)
        .bind(now_ms)
        .execute(&self.pool)
        .await
        .map_err(|e| unless_taken(e, &format!("ticket {}", ticket.ticket)))?;
        Ok(())
    }

    /// Tickets that are not over yet.
    pub async fn tickets(&self, now_ms: i64) -> Result<Vec<Envelope>, StoreError> {
        let rows = sqlx::query("select envelope from tickets where valid_until_ms > $1 order by added_ms, id")
            .bind(now_ms)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| from_json(&row.try_get::<String, _>(0)?)).collect()
    }

    /// Forgets tickets that were over by then.
    pub async fn drop_old_tickets(&self, before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from tickets where valid_until_ms < $1").bind(before_ms).execute(&self.pool).await?;
        Ok(())
    }

    pub async fn remove_ticket(&self, id: &TicketId) -> Result<(), StoreError> {
        let done = sqlx::query("delete from tickets where id = $1").bind(id.as_str()).execute(&self.pool).await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("ticket {id}"))) } else { Ok(()) }
    }
}

pub(super) async fn say(
    tx: &mut Tx<'_>,
    kind: Said,
    number: u64,
    envelope: &Envelope,
    now_ms: i64,
) -> Result<(), StoreError> {
    let number = i64::try_from(number).map_err(|_| StoreError::Damaged("number of a statement".into()))?;
    sqlx::query("insert into authority_statements (kind, number, envelope, made_ms) values ($1, $2, $3, $4)")
        .bind(kind.as_str())
        .bind(number)
        .bind(to_json(envelope)?)
        .bind(now_ms)
        .execute(&mut **tx)
        .await
        .map_err(|e| unless_taken(e, &format!("{} {number}", kind.as_str())))?;
    Ok(())
}

/// Adds an approval, or replaces an earlier one of the same approver.
pub(super) async fn add_approval(
    tx: &mut Tx<'_>,
    bulletin: &BulletinId,
    revision: u32,
    approver: &KeyId,
    envelope: &Envelope,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into approvals (bulletin, revision, approver, envelope, added_ms) values ($1, $2, $3, $4, $5) \
         on conflict (bulletin, revision, approver) do update set envelope = excluded.envelope, added_ms = excluded.added_ms",
    )
    .bind(bulletin.as_str())
    .bind(i64::from(revision))
    .bind(approver.as_str())
    .bind(to_json(envelope)?)
    .bind(now_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn approval(row: &sqlx::any::AnyRow) -> Result<(BulletinId, u32, Envelope), StoreError> {
    let bulletin = super::parsed(row.try_get(0)?)?;
    Ok((bulletin, row.try_get::<i64, _>(1)? as u32, from_json(&row.try_get::<String, _>(2)?)?))
}
