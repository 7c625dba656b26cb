document.querySelector('nav input').addEventListener('input', event => {
  const query = event.target.value.toLowerCase();
  for (const link of document.querySelectorAll('nav a')) link.hidden = !link.textContent.toLowerCase().includes(query);
});
