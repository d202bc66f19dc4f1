"""The words of the page besides those of the action itself, in Portuguese and English."""

from collections.abc import Mapping

from werkzeug.datastructures import LanguageAccept

LANGUAGES = ("pt", "en")

_PT = {
    "lang": "pt-BR",
    "bank": "Seu banco",
    "bank_says": "Mensagem do banco",
    "why": "Por que estou vendo isto?",
    "why_text": (
        "Você conectou esta conta para mantê-la atualizada. De vez em quando o banco pede que você confirme. "
        "O que você informar aqui vai direto para o banco e não fica guardado."
    ),
    "time_left": "Tempo restante",
    "send": "Enviar",
    "start": "Começar a atualização",
    "start_hint": "Ao começar, o banco envia um código novo. Tenha o celular por perto.",
    "connect": "Continuar com segurança",
    "connect_hint": "Abrimos a janela segura da Pluggy para você falar direto com o banco.",
    "connect_opening": "Abrindo…",
    "connect_failed": "Não foi possível abrir a janela segura. Tente de novo.",
    "connect_no_script": "Para continuar, ative o JavaScript do navegador.",
    "done_at_bank": "Já fiz isso",
    "go_to_bank": "Ir para o banco",
    "go_to_bank_hint": "Você volta para cá quando terminar. Esta página avança sozinha.",
    "qr_hint": "Abra o aplicativo do banco e aponte a câmera para o código. Ele muda sozinho de tempos em tempos.",
    "qr_alt": "Código QR para ler com o aplicativo do banco",
    "picture_alt": "Imagem enviada pelo banco",
    "following": "Esta página avança sozinha assim que o banco responder.",
    "wait_title": "Vamos esperar um pouco",
    "wait_body": (
        "O banco recusou os dados duas vezes seguidas. Para que ele não bloqueie seu acesso, "
        "uma nova tentativa só é possível depois deste tempo. Aproveite para conferir sua senha no aplicativo do banco."
    ),
    "progress_title": "Atualizando sua conta",
    "progress_body": "Recebemos. O banco está conferindo, o que costuma levar menos de um minuto.",
    "progress_close": "Pode fechar esta página: continuamos sem você.",
    "done_title": "Pronto!",
    "done_body": "Sua conta está atualizada. Não é preciso fazer mais nada.",
    "partial_title": "Quase tudo pronto",
    "partial_body": "Sua conta foi atualizada. Uma parte dos dados ainda não veio do banco; tentaremos de novo.",
    "later_title": "Recebemos, obrigado",
    "later_body": "Você fez a sua parte, mas o banco não respondeu agora. Tentaremos de novo sozinhos.",
    "expired_title": "O tempo acabou",
    "expired_body": "O banco não espera mais por esta resposta. Se ainda for preciso, um novo pedido aparece aqui.",
    "cancelled_title": "Este pedido não vale mais",
    "cancelled_body": "Não é preciso fazer nada.",
    "gone_title": "Este link não vale mais",
    "gone_body": "Peça um link novo no aplicativo em que você conectou sua conta.",
    "busy_title": "Muitas tentativas",
    "busy_body": "Espere um minuto e tente de novo.",
    "refused_title": "Não foi possível ler o que você enviou",
    "refused_body": "Volte à página anterior e tente de novo.",
    "failed_title": "Não deu certo agora",
    "failed_body": "A falha é nossa. Espere um instante e tente de novo: seu link continua valendo.",
    "choose": "Escolha uma opção",
    "reload": "Atualizar a página",
    "error_invalid-value": "Confira o que você digitou: o formato não está certo.",
    "error_value-already-used": "Este código já foi usado. Informe um código novo.",
    "error_action-expired": "O tempo para responder acabou.",
    "error_bank-offline": "O banco está fora do ar agora. Tente de novo mais tarde.",
    "error_needs-person": "O banco ainda pede algo de você. Continue pela janela segura.",
    "error_already-updating": "Sua conta já está sendo atualizada. Espere um instante.",
    "error_already-fresh": "Sua conta foi atualizada há pouco. Tente de novo mais tarde.",
    "error_unavailable": "Não conseguimos falar com o banco agora. Tente de novo em instantes.",
    "error_other": "Não deu certo agora. Tente de novo em instantes.",
}

_EN = {
    "lang": "en",
    "bank": "Your bank",
    "bank_says": "Message from the bank",
    "why": "Why am I seeing this?",
    "why_text": (
        "You connected this account to keep it up to date. Now and then the bank wants you to confirm that it is you. "
        "What you enter here goes straight to the bank and is not kept."
    ),
    "time_left": "Time left",
    "send": "Send",
    "start": "Start the update",
    "start_hint": "When you start, the bank sends a new code. Keep your phone at hand.",
    "connect": "Continue securely",
    "connect_hint": "Pluggy's secure window opens, in which you deal with your bank directly.",
    "connect_opening": "Opening…",
    "connect_failed": "The secure window could not be opened. Try again.",
    "connect_no_script": "To go on, turn on JavaScript in your browser.",
    "done_at_bank": "I have done this",
    "go_to_bank": "Go to the bank",
    "go_to_bank_hint": "You come back here when you are done. This page goes on by itself.",
    "qr_hint": "Open your bank's app and point the camera at the code. It changes by itself now and then.",
    "qr_alt": "QR code to read with your bank's app",
    "picture_alt": "Picture sent by the bank",
    "following": "This page goes on by itself as soon as the bank answers.",
    "wait_title": "Let us wait a little",
    "wait_body": (
        "The bank refused the sign-in twice in a row. So that it does not lock your access, "
        "the next try is possible only after this time. Meanwhile, check your password in the bank's app."
    ),
    "progress_title": "Updating your account",
    "progress_body": "Received. The bank is checking, which usually takes less than a minute.",
    "progress_close": "You can close this page: it goes on without you.",
    "done_title": "Done!",
    "done_body": "Your account is up to date. There is nothing else to do.",
    "partial_title": "Almost everything is done",
    "partial_body": "Your account was updated. Part of the data has not come from the bank yet; we will try again.",
    "later_title": "Received, thank you",
    "later_body": "You did your part, but the bank does not answer just now. We will try again.",
    "expired_title": "Time is up",
    "expired_body": "The bank does not wait for this answer any more. If it is still needed, a new request shows here.",
    "cancelled_title": "This request is no longer needed",
    "cancelled_body": "There is nothing to do.",
    "gone_title": "This link is no longer valid",
    "gone_body": "Ask for a new link in the app in which you connected your account.",
    "busy_title": "Too many tries",
    "busy_body": "Wait a minute and try again.",
    "refused_title": "What you sent could not be read",
    "refused_body": "Go back to the page before and try again.",
    "failed_title": "That did not work just now",
    "failed_body": "The fault is ours. Wait a moment and try again: your link is still valid.",
    "choose": "Choose an option",
    "reload": "Reload the page",
    "error_invalid-value": "Check what you entered: its form is not right.",
    "error_value-already-used": "This code was used before. Enter a new one.",
    "error_action-expired": "The time to answer is over.",
    "error_bank-offline": "The bank is offline just now. Try again later.",
    "error_needs-person": "The bank still needs something of you. Go on in the secure window.",
    "error_already-updating": "Your account is being updated. Wait a moment.",
    "error_already-fresh": "Your account was updated a moment ago. Try again later.",
    "error_unavailable": "The bank cannot be reached just now. Try again in a moment.",
    "error_other": "It did not work just now. Try again in a moment.",
}

_WORDS: Mapping[str, Mapping[str, str]] = {"pt": _PT, "en": _EN}


def language_of(accepted: LanguageAccept) -> str:
    """Return the language that the browser prefers of those we have; Portuguese if it names neither."""
    return accepted.best_match(LANGUAGES, default="pt") or "pt"


def words(language: str) -> Mapping[str, str]:
    """Return the words of *language*."""
    return _WORDS[language]


def error(language: str, code: str) -> str:
    """Return what to say about a refusal."""
    said = _WORDS[language]
    return said.get(f"error_{code}", said["error_other"])


def outcome(language: str, code: str | None) -> tuple[str, str]:
    """Return title and body for how a resolved action came out."""
    said = _WORDS[language]
    name = {"SUCCESS": "done", "PARTIAL_SUCCESS": "partial"}.get(code or "", "later")
    return said[f"{name}_title"], said[f"{name}_body"]
