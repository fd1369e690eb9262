//! What the store keeps of people: accounts, sessions, tokens, the audit log. Called by `store.rs` on both databases.

use loaxa::center::store::{AccountRow, SessionRow, Store, StoreError, TokenRow};
use loaxa::domain::role::{AccountName, Grant};
use loaxa::protocol::audit::{Entry, Head, Seal};
use loaxa::protocol::envelope::Envelope;

pub async fn accounts(store: &Store) {
    let name: AccountName = "lan".parse().unwrap();
    let row = AccountRow {
        name: name.clone(),
        title: "Lan".into(),
        password: "$argon2id$".into(),
        grants: vec!["editor@24133".parse().unwrap()],
        disabled: false,
        totp: None,
        totp_pending: None,
        recovery: vec![],
        created_ms: 5,
        signed_in_ms: None,
    };
    store.add_account(&row).await.unwrap();
    assert!(matches!(store.add_account(&row).await, Err(StoreError::Exists(_))));
    assert_eq!(store.account(&name).await.unwrap(), Some(row.clone()));
    assert_eq!(store.account(&"minh".parse().unwrap()).await.unwrap(), None);
    let grants: Vec<Grant> = vec!["admin@66".parse().unwrap()];
    let closed = AccountRow { title: "Chị Lan".into(), grants: grants.clone(), disabled: true, ..row.clone() };
    store.change_account(&row, &closed).await.unwrap();
    for stale in [
        row.clone(),
        AccountRow { disabled: false, ..closed.clone() },
        AccountRow { title: "Lan".into(), ..closed.clone() },
        AccountRow { grants: vec![], ..closed.clone() },
    ] {
        let late = store.change_account(&stale, &AccountRow { title: "Cô Lan".into(), ..stale.clone() }).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "what another has closed stays closed");
    }
    store.set_password(&name, "$argon2id$", "$argon2id$2").await.unwrap();
    let late = store.set_password(&name, "$argon2id$", "$argon2id$3").await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "another was quicker");
    store.signed_in(&name, 9).await.unwrap();
    let changed = AccountRow {
        title: "Chị Lan".into(),
        grants,
        disabled: true,
        password: "$argon2id$2".into(),
        signed_in_ms: Some(9),
        ..row
    };
    assert_eq!(store.accounts("", 10).await.unwrap(), [changed]);
    assert_eq!(store.accounts("lan", 10).await.unwrap(), []);

    store.propose_totp(&name, "sealed").await.unwrap();
    assert!(store.confirm_totp(&name, "another", 7, &[]).await.is_err(), "only what was proposed");
    let codes = ["h1".to_owned(), "h2".to_owned()];
    store.confirm_totp(&name, "sealed", 7, &codes).await.unwrap();
    assert!(!store.use_totp_step(&name, 7).await.unwrap() && !store.use_totp_step(&name, 6).await.unwrap());
    assert!(store.use_totp_step(&name, 8).await.unwrap() && !store.use_totp_step(&name, 8).await.unwrap());
    let row = store.account(&name).await.unwrap().unwrap();
    assert_eq!((row.totp.as_deref(), row.totp_pending.as_ref(), row.recovery.len()), (Some("sealed"), None, 2));
    assert!(store.use_recovery_code(&row, "h1").await.unwrap());
    assert!(!store.use_recovery_code(&row, "h1").await.unwrap(), "two at once, and one was quicker");
    assert!(!store.use_recovery_code(&row, "h3").await.unwrap());
    store.clear_totp(&name).await.unwrap();
    let row = store.account(&name).await.unwrap().unwrap();
    assert_eq!((row.totp, row.recovery.len()), (None, 0));

    for at_ms in 0..30 {
        store.know_place(&name, &format!("address:{at_ms}"), at_ms).await.unwrap();
    }
    assert!(
        store.knows_place(&name, "address:29").await.unwrap() && store.knows_place(&name, "address:10").await.unwrap()
    );
    assert!(!store.knows_place(&name, "address:9").await.unwrap(), "twenty are remembered");
    assert!(store.place_is_known("address:29").await.unwrap());
    store.forget_places(&name).await.unwrap();
    assert!(!store.knows_place(&name, "address:29").await.unwrap());
}

pub async fn sessions_and_tokens(store: &Store) {
    let session = |id: &str, created_ms: i64| SessionRow {
        id: id.repeat(64),
        account: "lan".into(),
        proof: String::new(),
        created_ms,
        seen_ms: created_ms,
        address: "192.0.2.7".into(),
        agent: "Trình duyệt".into(),
    };
    for row in [session("a", 10), session("b", 20), session("c", 30)] {
        store.add_session(&row).await.unwrap();
    }
    assert_eq!(store.session(&"b".repeat(64)).await.unwrap(), Some(session("b", 20)));
    assert_eq!(store.session_beginning(&"b".repeat(32)).await.unwrap(), Some(session("b", 20)));
    assert_eq!(store.session_beginning(&"d".repeat(32)).await.unwrap(), None);
    store.see_session(&"a".repeat(64), 40).await.unwrap();
    store.see_session(&"a".repeat(64), 35).await.unwrap();
    assert_eq!(store.session(&"a".repeat(64)).await.unwrap().unwrap().seen_ms, 40);
    store.drop_sessions(10, 25).await.unwrap();
    let left: Vec<_> = store.sessions("lan").await.unwrap().into_iter().map(|row| row.created_ms).collect();
    assert_eq!(left, [30, 10], "newest first, without the one that was idle");
    store.end_session(&"a".repeat(64)).await.unwrap();
    store.end_sessions("lan").await.unwrap();
    assert!(store.sessions("lan").await.unwrap().is_empty());

    let token = TokenRow {
        id: "t1".into(),
        name: "máy".into(),
        account: "lan".into(),
        grants: vec!["viewer@66".parse().unwrap()],
        hash: "h".into(),
        created_ms: 1,
        ends_ms: 100,
        used_ms: None,
        revoked_ms: None,
    };
    store.add_token(&token).await.unwrap();
    assert_eq!(store.token_of("h").await.unwrap(), Some(token.clone()));
    assert_eq!(store.token_of("g").await.unwrap(), None);
    store.use_token("t1", 50).await.unwrap();
    store.revoke_token("t1", 60).await.unwrap();
    store.revoke_token("t1", 70).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), [TokenRow { used_ms: Some(50), revoked_ms: Some(60), ..token }]);
    assert!(matches!(store.token("t2").await, Err(StoreError::NotFound(_))));
}

pub async fn audit_log(store: &Store) {
    let entry = |detail: String| Entry {
        at_ms: 1,
        who: "lan".into(),
        source: "192.0.2.7".into(),
        action: "PUT /x".into(),
        target: "y".into(),
        status: 200,
        times: 1,
        detail,
    };
    // Many at once never fork the chain.
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        let entries: Vec<_> = (0..3).map(|index| entry(format!("việc {task} {index}"))).collect();
        tasks.spawn(async move {
            for _ in 0..3 {
                store.append_audit(&entries).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let lines = store.audit_after(0, 1000).await.unwrap();
    let mut head = Head::default();
    lines.iter().for_each(|line| head.advance(line).unwrap());
    assert_eq!((lines.len(), &head), (72, &store.audit_head().await.unwrap()));
    assert_eq!(store.audit_before(3, 10).await.unwrap().iter().map(|line| line.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.audit_after(70, 1).await.unwrap()[0], lines[70]);
    let world = crate::golden::World::new();
    let seal = Seal { site: "mau".parse().unwrap(), number: head.number, hash: head.hash, made_ms: 9 };
    let envelope = Envelope::sign(&seal, &world.authority).unwrap();
    assert_eq!(store.last_sealed().await.unwrap(), 0);
    store.add_seal(&seal, &envelope).await.unwrap();
    store.add_seal(&seal, &envelope).await.unwrap();
    assert_eq!((store.last_sealed().await.unwrap(), store.seals().await.unwrap()), (72, vec![(72, envelope)]));
}
