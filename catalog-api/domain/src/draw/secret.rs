//! The secret of a draw: derived from a key, so that nothing of it need be stored before it is revealed.

use contract::DrawId;
use fairness::Secret;
use hkdf::Hkdf;
use sha2::Sha256;

/// The secret that a draw has under a key.
pub fn draw_secret(master: &[u8; 32], draw: &DrawId) -> Secret {
    let info = format!("catalog-api/draw/1 {draw}");
    let mut secret = [0; 32];
    // 32 bytes are far below what HKDF can give.
    let _ = Hkdf::<Sha256>::new(None, master).expand(info.as_bytes(), &mut secret);
    Secret(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairness::hex::Hex;

    /// Frozen: a change of these leaves every draw that is on without its secret.
    #[test]
    fn secrets_are_as_ever() {
        let secret = draw_secret(&[1; 32], &"spring".parse().unwrap());
        assert_eq!(
            Hex(&secret.0).to_string(),
            "1fa00c10f62b763ea1df2b8234317c49a7e8a730e5c05b4b6b089d128076a363"
        );
        assert!(secret != draw_secret(&[1; 32], &"autumn".parse().unwrap()));
        assert!(secret != draw_secret(&[2; 32], &"spring".parse().unwrap()));
    }
}
