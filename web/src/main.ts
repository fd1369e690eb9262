// Puts the page into the document; everything else starts in App.svelte.
import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { keepOnDevice } from './lib/install.ts';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
mount(App, { target });
keepOnDevice();
