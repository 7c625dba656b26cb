document.querySelector('nav input').addEventListener('input', event => {
  const wanted = event.target.value.toLowerCase();
  for (const link of document.querySelectorAll('nav a')) link.hidden = !link.textContent.toLowerCase().includes(wanted);
});
